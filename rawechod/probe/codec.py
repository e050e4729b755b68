"""A probe's requests as frames, and frames as replies to them; one codec a protocol. PURE."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol

from rawechod.echo.hello import GREETING, MESSAGE, hello_frame, is_hello
from rawechod.reasons import MalformedFrameError
from rawechod.wire import echo, ethernet

_SEQ, _T1 = struct.Struct("!I"), struct.Struct("!Q")
_FIELDS = struct.Struct("!BIIIQQIQH")
"""From the op on: op, session, seq, responder_seq, t1, t2, residence, window, dropped."""


class Seen(NamedTuple):
    """A reply in a received frame."""

    seq: int
    src: bytes
    residence: int
    """Nanoseconds inside the responder, 0 = not stamped."""
    corrupted_at: int | None
    """The first octet on the wire that is not as expected, None = all are."""
    responder_seq: int
    version: int = echo.VERSION
    """Of the PDU; 0 = there is none."""
    t2: int = 0
    t1: int = 0
    t1_at: int = 0
    """Where t1 begins on the wire; 0 = it has none."""
    window: int = 0
    dropped: int = 0
    text: str | None = None
    """What the tutorial's server said."""
    altered: str = ""
    """What differs, field by field, with commas: `vlan,priority`."""


class Shape(NamedTuple):
    """Frames that differ in their numbers alone: requests, and replies that are as they should be."""

    request: bytes
    request_pdu: int
    """Where its Echo PDU begins."""
    reply: bytes
    """As a socket hears it, without the outermost tag."""
    reply_pdu: int
    tag: bytes
    """That outermost tag; empty = none."""


class Codec(Protocol):
    """What a line needs of a protocol."""

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""

    def request(self, seq: int, wall: int) -> bytes:
        """The frame of a request that leaves at `wall` (nanoseconds since the epoch)."""

    def reply(self, frame: bytes, length: int, tag: ethernet.Tag | None) -> Seen | None:
        """What a received frame of `length` octets says, None where it is no reply of this session.

        `tag` is the outermost one, which the kernel took out of the octets.
        """


class EchoCodec:
    """Echo PDU v2. Requests are one frame with other numbers in it; a reply is compared with what it should be."""

    def __init__(self, header: ethernet.Header, session: int, payload: bytes) -> None:
        self._session = session
        self._payload = payload
        self._tag = header.tags[0] if header.tags else None
        self._header = header
        self._former_mac = header.src
        """What replies are addressed to that were under way when our MAC changed."""
        self._make_templates()

    def _make_templates(self) -> None:
        header = self._header
        blank = echo.EchoPdu(echo.REQUEST, self._session, 0, 0, payload=self._payload)
        self._request = bytearray(echo.encode_frame(header, blank))
        self._offset = len(self._request) - echo.PDU_LENGTH - len(self._payload)
        heard = replace(header, dst=header.src, src=header.dst, tags=header.tags[1:])
        self._expected = echo.encode_frame(heard, replace(blank, op=echo.REPLY))
        self._expected_offset = len(self._expected) - echo.PDU_LENGTH - len(self._payload)
        self._ethertype = self._expected[heard.length - 2 : self._expected_offset]
        """And what stands between it and the PDU."""

    @property
    def shape(self) -> Shape:
        """For exchange.c."""
        tag = self._tag.encode() if self._tag else b""
        return Shape(bytes(self._request), self._offset, self._expected, self._expected_offset, tag)

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""
        if mac != self._header.src:
            self._former_mac = self._header.src
            self._header = replace(self._header, src=mac)
            self._make_templates()

    def request(self, seq: int, wall: int) -> bytes:
        """The frame of a request."""
        _SEQ.pack_into(self._request, self._offset + echo.SEQ_OFFSET, seq)
        _T1.pack_into(self._request, self._offset + echo.T1_OFFSET, wall)
        return bytes(self._request)

    def reply(self, frame: bytes, length: int, tag: ethernet.Tag | None) -> Seen | None:
        """What a received frame says."""
        try:
            offset, (op, session, seq, responder_seq, t1, t2, inside, window, dropped) = self._read(frame)
        except MalformedFrameError:
            return None
        if op != echo.REPLY or session != self._session:
            return None
        corrupted_at = self._corrupted_at(frame, length, tag, offset)
        altered = "" if corrupted_at is None else ",".join(self._altered(frame, length, tag, offset))
        t1_at = offset + echo.T1_OFFSET + (ethernet.TAG_LENGTH if tag else 0)
        return Seen(
            seq,
            frame[6:12],
            known_residence(inside),
            corrupted_at,
            responder_seq,
            t2=t2,
            t1=t1,
            t1_at=t1_at,
            window=window,
            dropped=dropped,
            altered=altered,
        )

    def _read(self, frame: bytes) -> tuple[int, tuple[int, ...]]:
        """The PDU's offset and the values of _FIELDS."""
        at = self._expected_offset
        if frame[12 : at + 3] == self._expected[12 : at + 3] and len(frame) >= at + echo.PDU_LENGTH:
            return at, _FIELDS.unpack_from(frame, at + echo.OP_OFFSET)
        other = echo.decode_frame(frame)
        pdu = other.pdu
        numbers = (pdu.op, pdu.session, pdu.seq, pdu.responder_seq)
        return other.offset, (*numbers, pdu.t1, pdu.t2, pdu.residence, pdu.window, pdu.dropped)

    def _corrupted_at(self, frame: bytes, length: int, tag: ethernet.Tag | None, offset: int) -> int | None:
        expected, stripped = self._expected, ethernet.TAG_LENGTH if tag else 0
        if tag != self._tag:
            return _where_tags_differ(tag, self._tag)
        body = offset + echo.PDU_LENGTH
        # The source is the runner's business: it knows whether anybody may answer.
        dst = expected[:6] if frame[:6] == self._former_mac else frame[:6]
        if dst != expected[:6] or frame[12:offset] != expected[12:offset]:
            head = dst + expected[6:12] + frame[12:offset]
            return _first_difference(head, expected[:offset], stripped)
        if length == len(expected) and frame[body:] == self._payload:
            return None
        return body + stripped + _first_difference(frame[body:length], self._payload, 0)

    def _altered(self, frame: bytes, length: int, tag: ethernet.Tag | None, offset: int) -> Iterator[str]:
        """The fields that differ: of tags their values, whichever octets these share."""
        header, body = ethernet.decode_header(frame), offset + echo.PDU_LENGTH
        tags = (*((tag,) if tag else ()), *header.tags)
        pairs = list(zip(tags, self._header.tags, strict=False))
        if header.dst not in (self._header.src, self._former_mac):
            yield "destination"
        if [one.tpid for one in tags] != [one.tpid for one in self._header.tags]:
            yield "tag"
        else:
            if any((one.pcp, one.dei) != (other.pcp, other.dei) for one, other in pairs):
                yield "priority"
            if any(one.vid != other.vid for one, other in pairs):
                yield "vlan"
        if frame[header.length - 2 : offset] != self._ethertype:
            yield "header"
        if length - body != len(self._payload):
            yield "length"
        elif frame[body:] != self._payload:
            yield "payload"


def compare_t1(seen: Seen, sent: int) -> Seen:
    """The same, corrupted where it has another t1 than the request."""
    if seen.t1 == sent or not seen.t1_at:
        return seen
    at = seen.t1_at + _T1.size - ((seen.t1 ^ sent).bit_length() + 7) // 8
    altered = f"{seen.altered},t1" if seen.altered else "t1"
    return seen._replace(corrupted_at=min(at, seen.corrupted_at or at), altered=altered)


def known_residence(field: int) -> int:
    """Time inside the responder, nanoseconds; 0 = not known."""
    return field if field != echo.UNKNOWN_RESIDENCE else 0


def _where_tags_differ(tag: ethernet.Tag | None, expected: ethernet.Tag | None) -> int:
    """In the TPID where one of them is missing, else in the priority's or the identifier's octet."""
    octets = tag.encode() if tag else b""
    return _first_difference(
        ethernet.ZERO * 2 + octets, ethernet.ZERO * 2 + (expected.encode() if expected else b""), 0
    )


def _first_difference(octets: bytes, expected: bytes, stripped: int) -> int:
    """On the wire, where `stripped` octets more stand before the EtherType."""
    pairs = enumerate(zip(octets, expected, strict=False))
    at = next((index for index, (one, other) in pairs if one != other), min(len(octets), len(expected)))
    return at + stripped if at >= 2 * ethernet.MAC_LENGTH else at


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

    def reply(self, frame: bytes, length: int, tag: ethernet.Tag | None) -> Seen | None:
        """Whether a received frame is the server's HELLO."""
        if not is_hello(frame, self._ethertype):
            return None
        return Seen(self._last, self._header.dst, 0, None, 0, version=0, text=MESSAGE.decode())
