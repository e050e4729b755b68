"""What a probe's requests go out by and its replies come in by: one socket, one codec."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from rawechod.packet.batch import BatchReceiver, BatchSender, Received
from rawechod.packet.socket import kernel_drops
from rawechod.probe.codec import Codec, Seen
from rawechod.wire import ethernet


@dataclass(frozen=True, slots=True)
class Channel:
    """Where and how frames go out and come back."""

    ifindex: int
    frame_size: int
    filter: bytes | None
    any_source: bool
    """Replies from other MACs than the target's are taken too."""
    stamped: bool = False
    """Have the kernel stamp what is sent; costs a system call a frame."""
    hardware: bool = False
    """The NIC stamps every frame too."""
    loopback_device: bool = False
    """All addresses are zero there."""
    one_way: bool = False
    quiet: bool = False
    """Nobody wants to hear of single requests."""
    interval: int = 0
    """Between two requests, nanoseconds; 0 = a flood."""
    tagged: bool = False
    """Replies come with a VLAN tag."""


class Heard(NamedTuple):
    """A frame that came in."""

    seen: Seen | None
    """What it says; None where it is no reply of this session."""
    received: Received


class Sent(NamedTuple):
    """What became of requests."""

    t1: Sequence[int]
    """Right before each was handed to the kernel, nanoseconds since the epoch."""
    refused: dict[int, int]
    """The errnos of those that the kernel did not take, under their places, from 0."""


class Line(Protocol):
    """What a runner needs of it."""

    socket: socket.socket

    def send(self, numbers: Sequence[int]) -> Sent:
        """Send the requests with these consecutive numbers, at most BATCH."""

    def hear(self) -> list[Heard]:
        """What has arrived, at most BATCH frames. Raises OSError, as recv does."""

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""

    def dropped(self) -> int:
        """Frames that found the receive buffer full since the socket was opened; to be asked once, at the end."""

    def close(self) -> None:
        """Give everything back."""


def read(codec: Codec, received: Received) -> Seen | None:
    """What a received frame says."""
    tag = ethernet.Tag(*received.tag) if received.tag else None
    return codec.reply(received.frame, received.length, tag)


class CodecLine:
    """Each frame through the codec: for a moderate pace, and for every protocol."""

    def __init__(self, sock: socket.socket, frame_size: int, codec: Codec) -> None:
        self.socket = sock
        self._receiver = BatchReceiver(sock, frame_size)
        self._sender = BatchSender(sock)
        self._codec = codec

    def send(self, numbers: Sequence[int]) -> Sent:
        """Send requests."""
        t1 = time.time_ns()
        frames = [self._codec.request(number & 0xFFFFFFFF, t1) for number in numbers]
        return Sent([t1] * len(numbers), dict(self._sender.send(frames)))

    def hear(self) -> list[Heard]:
        """What has arrived."""
        return [Heard(read(self._codec, one), one) for one in self._receiver.receive()]

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""
        self._codec.readdress(mac)

    def dropped(self) -> int:
        """Frames that found the receive buffer full."""
        return kernel_drops(self.socket)

    def close(self) -> None:
        """Give the socket back."""
        self.socket.close()
