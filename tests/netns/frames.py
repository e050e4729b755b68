"""Frames as the tests write and read them: octet by octet, sharing no line with the daemon."""

from __future__ import annotations

import struct
from typing import NamedTuple

from tests.lab import MAC_A, MAC_B

BROADCAST = "ff:ff:ff:ff:ff:ff"
PAE_GROUP = "01:80:c2:00:00:03"
ZERO = "00:00:00:00:00:00"
PAE, EX1, EX2 = 0x888E, 0x88B5, 0x88B6
DOT1Q, DOT1AD = 0x8100, 0x88A8
REQUEST, REPLY = 1, 2
MAGIC = 0x5245
SESSION = 0xC0FFEE01
EAPOL_ECHO = 0xEC

_PDU = struct.Struct("!HBBIIIQQIQH")
_EAPOL = struct.Struct("!BBH")


class Tag(NamedTuple):
    """An IEEE 802.1Q tag."""

    vid: int
    pcp: int = 0
    dei: int = 0
    tpid: int = DOT1Q

    def octets(self) -> bytes:
        """As on the wire."""
        return struct.pack("!HH", self.tpid, self.pcp << 13 | self.dei << 12 | self.vid)


class Pdu(NamedTuple):
    """An Echo PDU's fields."""

    op: int = REQUEST
    session: int = SESSION
    seq: int = 1
    responder_seq: int = 0
    t1: int = 0x1122334455667788
    t2: int = 0
    residence: int = 0
    window: int = 0
    dropped: int = 0
    magic: int = MAGIC
    version: int = 2

    def octets(self) -> bytes:
        """As on the wire."""
        fields = (self.magic, self.version, self.op, self.session, self.seq, self.responder_seq)
        return _PDU.pack(*fields, self.t1, self.t2, self.residence, self.window, self.dropped)


class Echo(NamedTuple):
    """A received echo frame, taken apart."""

    dst: str
    src: str
    tags: tuple[Tag, ...]
    ethertype: int
    envelope: bytes
    pdu: Pdu
    payload: bytes

    def octets(self) -> bytes:
        """As on the wire."""
        tags = b"".join(tag.octets() for tag in self.tags)
        head = mac(self.dst) + mac(self.src) + tags + struct.pack("!H", self.ethertype)
        return head + self.envelope + self.pdu.octets() + self.payload


def mac(text: str) -> bytes:
    """Six octets."""
    return bytes.fromhex(text.replace(":", ""))


def header(dst: str = MAC_B, src: str = MAC_A, ethertype: int = EX1, tags: tuple[Tag, ...] = ()) -> bytes:
    """An Ethernet header."""
    return mac(dst) + mac(src) + b"".join(tag.octets() for tag in tags) + struct.pack("!H", ethertype)


def eapol(body: bytes, kind: int = EAPOL_ECHO, length: int | None = None) -> bytes:
    """An EAPOL PDU."""
    return _EAPOL.pack(3, kind, len(body) if length is None else length) + body


def request(
    dst: str = MAC_B,
    src: str = MAC_A,
    ethertype: int = EX1,
    tags: tuple[Tag, ...] = (),
    size: int = 60,
    pdu: Pdu | None = None,
) -> bytes:
    """An echo request; `size` counts its octets without tags."""
    envelope = 4 if ethertype == PAE else 0
    payload = bytes(index * 7 & 0xFF for index in range(size - 14 - envelope - _PDU.size))
    body = (pdu or Pdu()).octets() + payload
    return header(dst, src, ethertype, tags) + (eapol(body) if envelope else body)


def parse(frame: bytes) -> Echo:
    """Take a frame with an Echo PDU apart, tags in its octets included."""
    tags: list[Tag] = []
    offset = 12
    while (tpid := struct.unpack_from("!H", frame, offset)[0]) in (DOT1Q, DOT1AD):
        (tci,) = struct.unpack_from("!H", frame, offset + 2)
        tags.append(Tag(tci & 0xFFF, tci >> 13, tci >> 12 & 1, tpid))
        offset += 4
    start = offset + 2 + (4 if tpid == PAE else 0)
    magic, version, *fields = _PDU.unpack_from(frame, start)
    pdu = Pdu(*fields)._replace(magic=magic, version=version)
    dst, src = frame[:6].hex(":"), frame[6:12].hex(":")
    return Echo(dst, src, tuple(tags), tpid, frame[offset + 2 : start], pdu, frame[start + _PDU.size :])


def answered(frame: bytes, by: str, pdu: Pdu) -> bytes:
    """The reply to a request frame that has these values where the responder may choose them."""
    asked = parse(frame)
    names = ("responder_seq", "t2", "residence", "window", "dropped")
    chosen = {"op": REPLY} | {name: getattr(pdu, name) for name in names}
    return asked._replace(dst=asked.src, src=by, pdu=asked.pdu._replace(**chosen)).octets()
