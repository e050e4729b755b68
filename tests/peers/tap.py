"""An independent tap: what the kernel shows to a socket of its own, and in which direction."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import NamedTuple

from tests.lab import Host

SO_RCVBUFFORCE = 33
BUFFER = 8 << 20  # a burst must not be lost here: the tests count frames
LONGEST = 65536


class Seen(NamedTuple):
    """One frame, and what the kernel said of it."""

    outgoing: bool
    frame: bytes


class Tap:
    """Keeps every frame that an interface sends or receives, from the moment it is made."""

    def __init__(self, host: Host, interface: str) -> None:
        self._socket = host.raw_socket(interface)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.setblocking(False)
        self._seen: list[Seen] = []

    def seen(self) -> list[Seen]:
        """All frames so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, address = self._socket.recvfrom(LONGEST)
                self._seen.append(Seen(address[2] == socket.PACKET_OUTGOING, frame))
        return self._seen

    def transmitted(self, text: bytes, offset: int = 0) -> int:
        """How many frames with `text` at `offset` were sent so far; the copies that came in do not count."""
        return sum(each.outgoing and each.frame.startswith(text, offset) for each in self.seen())

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@contextlib.contextmanager
def tap(host: Host, interface: str = "lo") -> Iterator[Tap]:
    """A tap for the length of a block."""
    made = Tap(host, interface)
    try:
        yield made
    finally:
        made.close()
