"""A cable with faults: two hosts, and between them one in which the test forwards each frame, or does not."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

from tests.lab import MAC_A, MAC_B, Host, wait_for
from tests.netns.port import Port

Fault = Callable[[int, bytes], list[bytes]]
"""What becomes of the frame with this number, counted from 1 in its direction: the frames that go on."""


def clean(_number: int, frame: bytes) -> list[bytes]:
    """A perfect cable."""
    return [frame]


def losing(*numbers: int) -> Fault:
    """Frames with these numbers do not arrive."""
    return lambda number, frame: [] if number in numbers else [frame]


class Wire:
    """Host a's `eth1` at one end, host b's at the other; `there` is from a to b."""

    def __init__(self, there: Fault, back: Fault) -> None:
        self.a, self.middle, self.b = Host("a"), Host("middle"), Host("b")
        for host, port, mac in ((self.a, "near", MAC_A), (self.b, "far", MAC_B)):
            self._lay(host, port, mac)
        self._stop, self._stopping = socket.socketpair()
        self._ends = (Port(self.middle, "near"), Port(self.middle, "far"))
        self._faults = (there, back)
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def _lay(self, host: Host, port: str, mac: str) -> None:
        near = ["name", "eth1", "address", mac, "netns", host.name]
        far = ["name", port, "netns", self.middle.name]
        subprocess.run(["ip", "link", "add", *near, "type", "veth", "peer", *far], check=True)
        host.ip("link", "set", "eth1", "up")
        self.middle.ip("link", "set", port, "up")
        wait_for(lambda: host.link("eth1")["operstate"] == "UP", f"{host} up")

    def _forward(self) -> None:
        counts = [0, 0]
        while True:
            ends = [end.fileno() for end in self._ends]
            ready, _, _ = select.select([*ends, self._stopping.fileno()], [], [])
            if self._stopping.fileno() in ready:
                return
            for side in (0, 1):
                if ends[side] in ready:
                    counts[side] += 1
                    going = self._faults[side](counts[side], self._ends[side].receive())
                    with contextlib.suppress(OSError):  # too large for what follows: not forwarded, as by a switch
                        self._ends[1 - side].send(*going)

    def close(self) -> None:
        """Take it down."""
        self._stop.close()
        self._thread.join()
        for end in self._ends:
            end.close()
        self._stopping.close()
        for host in (self.a, self.b, self.middle):
            host.close()


@contextlib.contextmanager
def wire(there: Fault = clean, back: Fault = clean) -> Iterator[Wire]:
    """A wire for the length of a block."""
    made = Wire(there, back)
    try:
        yield made
    finally:
        made.close()
