"""The Echo PDU, version 2, big-endian, behind the EtherType (under ETH_P_PAE behind an EAPOL header).

     0               2       3       4               8              12              16
    +---------------+-------+-------+---------------+---------------+---------------+
    | magic 52 45   |version|  op   | session       | seq           | responder_seq |
    +---------------+-------+-------+---------------+---------------+---------------+
    16                              24                              32              36
    +-------------------------------+-------------------------------+---------------+
    | t1                            | t2                            | residence     |
    +-------------------------------+-------------------------------+---------------+
    36                              44      46
    +-------------------------------+-------+- - -
    | window                        |dropped| payload
    +-------------------------------+-------+- - -

t1: initiator's transmit time; t2: responder's receive time; nanoseconds since the epoch, 0 = not stamped.
residence: from t2 until right before the reply leaves, nanoseconds; all ones = not known, or more.
responder_seq: distinct valid requests of this session that the responder has received so far, this one included,
before any limit (one that more than 127 others have overtaken counts, even if it came before); behind its largest
value comes 1. window: bit i (least significant = 0) says whether request seq - i of this session has been
received. Where either is 0, it is not kept.
dropped: frames that the responder's own receive buffer dropped since it started, modulo 65536.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import eapol, ethernet

MAGIC = 0x5245
VERSION = 2
REQUEST = 1
REPLY = 2
PDU_LENGTH = 46
OP_OFFSET = 3
SESSION_OFFSET = 4
SEQ_OFFSET = 8
RESPONDER_SEQ_OFFSET = 12
MOST_RESPONDER_SEQ = 0xFFFFFFFF
T1_OFFSET = 16
T2_OFFSET = 24
RESIDENCE_OFFSET = 32
UNKNOWN_RESIDENCE = 0xFFFFFFFF
WINDOW_OFFSET = 36
WINDOW_BITS = 64
DROPPED_OFFSET = 44

_PDU = struct.Struct("!HBBIIIQQIQH")
_OP = struct.Struct("!B")
_RESPONDER_SEQ = struct.Struct("!I")
_RESPONDER_FIELDS = struct.Struct("!QIQH")


@dataclass(frozen=True, slots=True)
class EchoPdu:
    """An echo request or reply."""

    op: int
    session: int
    seq: int
    t1: int
    responder_seq: int = 0
    t2: int = 0
    residence: int = 0
    window: int = 0
    dropped: int = 0
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class EchoFrame:
    """A frame that carries an Echo PDU; `offset` is the PDU's first octet in the frame."""

    header: ethernet.Header
    pdu: EchoPdu
    offset: int


def decode(data: bytes) -> EchoPdu:
    """Read a PDU; raises MalformedFrameError: TOO_SHORT, BAD_MAGIC, BAD_VERSION, BAD_OP."""
    if len(data) < PDU_LENGTH:
        raise MalformedFrameError(DropReason.TOO_SHORT)
    magic, version, op, *fields = _PDU.unpack_from(data)
    if magic != MAGIC:
        raise MalformedFrameError(DropReason.BAD_MAGIC)
    if version != VERSION:
        raise MalformedFrameError(DropReason.BAD_VERSION)
    if op not in (REQUEST, REPLY):
        raise MalformedFrameError(DropReason.BAD_OP)
    session, seq, responder_seq, t1, t2, inside, window, dropped = fields
    return EchoPdu(op, session, seq, t1, responder_seq, t2, inside, window, dropped, data[PDU_LENGTH:])


def encode(pdu: EchoPdu) -> bytes:
    """The PDU's octets."""
    head = (MAGIC, VERSION, pdu.op, pdu.session, pdu.seq, pdu.responder_seq)
    return _PDU.pack(*head, pdu.t1, pdu.t2, pdu.residence, pdu.window, pdu.dropped) + pdu.payload


def overhead(ethertype: int) -> int:
    """Octets of an untagged frame that are not payload."""
    envelope = eapol.HEADER_LENGTH if ethertype == ethernet.ETH_P_PAE else 0
    return ethernet.HEADER_LENGTH + envelope + PDU_LENGTH


def decode_frame(frame: bytes) -> EchoFrame:
    """Read a whole frame, tags in its octets included; raises MalformedFrameError with the reason."""
    header = ethernet.decode_header(frame)
    offset, body = header.length, frame[header.length :]
    if header.ethertype < ethernet.SMALLEST_ETHERTYPE:
        raise MalformedFrameError(DropReason.FOREIGN)
    if header.ethertype == ethernet.ETH_P_PAE:
        offset, body = offset + eapol.HEADER_LENGTH, eapol.unwrap(body)
    return EchoFrame(header, decode(body), offset)


def encode_frame(header: ethernet.Header, pdu: EchoPdu) -> bytes:
    """The frame that carries a PDU, with the envelope that its EtherType asks for."""
    body = encode(pdu)
    if header.ethertype == ethernet.ETH_P_PAE:
        body = eapol.wrap(body)
    return ethernet.encode_header(header) + body


def residence(t2: int, t3: int) -> int:
    """The field's value for a reply that leaves at t3, both nanoseconds since the epoch; t2 = 0: not stamped."""
    return t3 - t2 if t2 and 0 <= t3 - t2 < UNKNOWN_RESIDENCE else UNKNOWN_RESIDENCE


class Answer(NamedTuple):
    """What a responder fills in."""

    responder_seq: int
    window: int
    t2: int
    residence: int
    dropped: int


def turn_into_reply(frame: bytearray, offset: int, answer: Answer) -> None:
    """Make a request's octets those of its reply, in place; everything else stays byte for byte."""
    _OP.pack_into(frame, offset + OP_OFFSET, REPLY)
    _RESPONDER_SEQ.pack_into(frame, offset + RESPONDER_SEQ_OFFSET, answer.responder_seq)
    fields = (answer.t2, answer.residence, answer.window, answer.dropped & 0xFFFF)
    _RESPONDER_FIELDS.pack_into(frame, offset + T2_OFFSET, *fields)
