"""Frames for the tests, made octet by octet, and Hypothesis strategies for values of the wire."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from rawechod.echo.reflector import Arrival, Instant
from rawechod.wire import echo, ethernet

OWN = bytes.fromhex("02000000000a")
PEER = bytes.fromhex("02000000000b")
OTHER = bytes.fromhex("02000000000c")
EX1 = 0x88B5
PAE = 0x888E
SESSION = 0x11223344
T1 = 0x0102030405060708
PAYLOAD = bytes(range(100, 106))
NOW = Instant(1_000_000_000_000, 1_800_000_000_000_000_000)


def pdu(op: int = 1, seq: int = 1, session: int = SESSION, payload: bytes = PAYLOAD, **fields: int) -> bytes:
    """An Echo PDU; `magic`, `version`, `responder_seq`, `t2`, `residence`, `window`, `dropped` may be given."""
    values = {"magic": 0x5245, "version": 2} | fields
    first = struct.pack("!HBB", values["magic"], values["version"], op)
    counts = struct.pack("!III", session, seq, values.get("responder_seq", 0))
    answer = (values.get(name, 0) for name in ("t2", "residence", "window", "dropped"))
    return first + counts + struct.pack("!QQIQH", T1, *answer) + payload


def eapol(body: bytes, packet_type: int = 0xEC, length: int | None = None) -> bytes:
    """An EAPOL envelope."""
    return struct.pack("!BBH", 3, packet_type, len(body) if length is None else length) + body


def frame(body: bytes, dst: bytes = OWN, src: bytes = PEER, ethertype: int = EX1, tags: bytes = b"") -> bytes:
    """A frame, without padding."""
    return dst + src + tags + struct.pack("!H", ethertype) + body


def request(dst: bytes = OWN, src: bytes = PEER, ethertype: int = EX1, tags: bytes = b"", **fields: Any) -> bytes:
    """An echo request as a frame, in the envelope that its EtherType asks for."""
    body = pdu(**fields)
    return frame(eapol(body) if ethertype == PAE else body, dst, src, ethertype, tags)


def arrival(octets: bytes, **fields: Any) -> Arrival:
    """What the kernel says of a frame of which all octets were kept."""
    return Arrival(len(octets))._replace(**fields)


macs = st.binary(min_size=6, max_size=6)
words = st.integers(0, 2**32 - 1)
stamps = st.integers(0, 2**64 - 1)
tags = st.builds(ethernet.Tag, st.sampled_from(sorted(ethernet.TPIDS)), st.integers(0, 0xFFFF))
ethertypes = st.integers(0, 0xFFFF).filter(lambda number: number not in ethernet.TPIDS)
carrying = st.integers(ethernet.SMALLEST_ETHERTYPE, 0xFFFF).filter(lambda number: number not in ethernet.TPIDS)
some_carrying = st.sampled_from([EX1, PAE, 0x0800, 0xFFFF]) | carrying


def headers(ethertype: st.SearchStrategy[int] = ethertypes) -> st.SearchStrategy[ethernet.Header]:
    """Headers with up to two tags."""
    return st.builds(ethernet.Header, macs, macs, st.lists(tags, max_size=2).map(tuple), ethertype)


pdus = st.builds(
    echo.EchoPdu,
    op=st.sampled_from([echo.REQUEST, echo.REPLY]),
    session=words,
    seq=words,
    t1=stamps,
    responder_seq=words,
    t2=stamps,
    residence=words,
    window=stamps,
    dropped=st.integers(0, 0xFFFF),
    payload=st.binary(max_size=200),
)
