"""`mode = "hello"`: the tutorial's server, which answers HELLO to whatever it hears on `lo`.

Under ETH_P_ALL the text begins at the frame's first octet, where a header should be, as in the tutorial;
under any other EtherType a proper header stands before it.
"""

from __future__ import annotations

from rawechod.echo.reflector import Arrival, Drop, Instant, Limited, Reply
from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import ethernet

GREETING = b"hello server!"
MESSAGE = b"HELLO"
LENGTH = 1024
"""Octets of a request and of an answer, header (where there is one) included."""


class HelloReflector(Limited):
    """Answers every frame that is not itself a HELLO; the destination is not looked at."""

    def reflect(self, frame: bytes, arrival: Arrival, now: Instant) -> Reply | Drop:
        """Decide on one frame."""
        try:
            header = ethernet.decode_header(frame)
        except MalformedFrameError as error:
            return Drop(error.reason)
        bare = self.policy.ethertype == ethernet.ETH_P_ALL
        if not bare and header.ethertype != self.policy.ethertype:
            return Drop(DropReason.FOREIGN)
        if arrival.outgoing:
            return Drop(DropReason.OWN_FRAME)
        # With or without a header before it: else two listeners of this mode would answer each other.
        if frame.startswith(MESSAGE) or frame.startswith(MESSAGE, header.length):
            return Drop(DropReason.REPLY)
        peer = self.peers.receive(header.src, now.monotonic)
        if not peer.bucket.admits(now.monotonic):
            return Drop(DropReason.PEER_RATE_LIMIT)
        if not self._limiter.admits(now.monotonic):
            return Drop(DropReason.RATE_LIMIT)
        peer.replied += 1
        return Reply(hello_frame(MESSAGE, self.policy.ethertype, header.src, self.policy.own_mac))


def hello_frame(text: bytes, ethertype: int, dst: bytes, src: bytes) -> bytes:
    """A frame of the tutorial's exchange, LENGTH octets."""
    bare = ethertype == ethernet.ETH_P_ALL
    header = b"" if bare else ethernet.encode_header(ethernet.Header(dst, src, (), ethertype))
    return (header + text).ljust(LENGTH, b"\0")


def is_hello(frame: bytes, ethertype: int) -> bool:
    """Whether a frame is the server's answer."""
    start = 0 if ethertype == ethernet.ETH_P_ALL else ethernet.HEADER_LENGTH
    return frame.startswith(MESSAGE, start)
