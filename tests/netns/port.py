"""A raw socket of the tests' own on a host's interface: frames go out and come in as they are on the wire."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from tests.lab import Host
from tests.netns import frames
from tests.netns.frames import Pdu, request

SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
VLAN_VALID = 1 << 4
SO_RCVBUFFORCE = 33
BUFFER = 8 << 20  # a burst must not be lost here: the tests count frames
LONGEST = 65536
SENTINEL = 0x5E471E1
"""The session of requests that only ask whether everything before them has been looked at."""

_AUXDATA = struct.Struct("=IIIHHHH")


class Heard(NamedTuple):
    """A frame as it was on the wire, and whether the kernel had taken a tag out of it."""

    frame: bytes
    untagged_by_kernel: bool


class Port:
    """Hears everything that comes in, from the moment it is made."""

    def __init__(self, host: Host, interface: str = "eth1") -> None:
        self._socket = host.raw_socket(interface)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)

    def fileno(self) -> int:
        """For select(2)."""
        return self._socket.fileno()

    def send(self, *frames_: bytes) -> None:
        """Send frames."""
        for frame in frames_:
            self._socket.send(frame)

    def hear(self) -> Heard:
        """The next frame, waited for, its outermost tag back in its place."""
        frame, ancillary, _, _ = self._socket.recvmsg(LONGEST, 256)
        for level, kind, data in ancillary:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, *_, tci, tpid = _AUXDATA.unpack(data)
                if status & VLAN_VALID:
                    return Heard(frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:], True)
        return Heard(frame, False)

    def receive(self) -> bytes:
        """The next frame, waited for."""
        return self.hear().frame

    def settle(self, ethertype: int = frames.EX1) -> list[bytes]:
        """What has come in up to the answer to a last good request: all that will ever come of what was sent."""
        last = request(ethertype=ethertype, pdu=Pdu(session=SENTINEL))
        self.send(last)
        before: list[bytes] = []
        while not self._ends(frame := self.receive()):
            before.append(frame)
        return before

    @staticmethod
    def _ends(frame: bytes) -> bool:
        return SENTINEL.to_bytes(4) in frame  # a loopback returns the request itself, and frames of any kind

    def answers(self, *frames_: bytes, ethertype: int = frames.EX1) -> list[bytes]:
        """Send frames; all that is answered to them."""
        self.send(*frames_)
        return self.settle(ethertype)

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@contextlib.contextmanager
def port(host: Host, interface: str = "eth1") -> Iterator[Port]:
    """A port for the length of a block."""
    made = Port(host, interface)
    try:
        yield made
    finally:
        made.close()
