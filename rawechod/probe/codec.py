"""A probe's requests as frames, and frames as replies to them; one codec a protocol. PURE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Protocol

from rawechod.echo.hello import GREETING, hello_frame, is_hello
from rawechod.reasons import MalformedFrameError
from rawechod.wire import echo, ethernet


@dataclass(frozen=True, slots=True)
class Seen:
    """A reply in a received frame."""

    seq: int
    src: bytes
    residence: int
    """Nanoseconds inside the responder, 0 = not stamped."""
    corrupted: bool
    responder_seq: int


class Codec(Protocol):
    """What a runner needs of a protocol."""

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""

    def request(self, seq: int, wall: int) -> bytes:
        """The frame of a request that leaves at `wall` (nanoseconds since the epoch)."""

    def reply(self, frame: bytes, length: int) -> Seen | None:
        """What a received frame of `length` octets says, None where it is no reply of this session."""


class EchoCodec:
    """Echo PDU v1."""

    def __init__(self, header: ethernet.Header, session: int, size: int) -> None:
        self._header = header
        self._session = session
        self._size = size
        self._payload = bytes(islice(cycle(range(256)), size - echo.overhead(header.ethertype)))

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""
        self._header = replace(self._header, src=mac)

    def request(self, seq: int, wall: int) -> bytes:
        """The frame of a request."""
        pdu = echo.EchoPdu(echo.REQUEST, self._session, seq, wall, payload=self._payload)
        return echo.encode_frame(self._header, pdu)

    def reply(self, frame: bytes, length: int) -> Seen | None:
        """What a received frame says."""
        try:
            received = echo.decode_frame(frame)
        except MalformedFrameError:
            return None
        pdu, header = received.pdu, received.header
        if pdu.op != echo.REPLY or pdu.session != self._session:
            return None
        residence = pdu.t3 - pdu.t2 if pdu.t2 and pdu.t3 >= pdu.t2 else 0
        intact = length == self._size and pdu.payload == self._payload and header.dst == self._header.src
        return Seen(pdu.seq, header.src, residence, not intact, pdu.responder_seq)


class HelloCodec:
    """The tutorial's exchange: an answer names no request, so it is the answer to the last one."""

    def __init__(self, header: ethernet.Header, ethertype: int) -> None:
        self._header = header
        self._ethertype = ethertype
        self._last = 0

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""
        self._header = replace(self._header, src=mac)

    def request(self, seq: int, wall: int) -> bytes:
        """The tutorial's client's frame."""
        self._last = seq
        return hello_frame(GREETING, self._ethertype, self._header.dst, self._header.src)

    def reply(self, frame: bytes, length: int) -> Seen | None:
        """Whether a received frame is the server's HELLO."""
        if not is_hello(frame, self._ethertype):
            return None
        return Seen(self._last, self._header.dst, 0, False, 0)
