"""Frames out of a capture file: pcap of every kind, and pcapng. PURE.

pcap:    24 octets of header, then each frame behind 16 octets: seconds, fraction, octets kept, octets had.
pcapng:  blocks of type, length, body, length; a section header says the byte order, an interface block the
         link type and the unit of time, an enhanced or a simple packet block holds a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

ETHERNET = 1
SECOND = 1_000_000_000
PCAP = {b"\xa1\xb2\xc3\xd4": (">", 1000), b"\xd4\xc3\xb2\xa1": ("<", 1000)}
PCAP |= {b"\xa1\xb2\x3c\x4d": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1)}
"""Byte order and nanoseconds a unit of the fraction."""
SECTION = b"\x0a\x0d\x0d\x0a"
ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
INTERFACE, SIMPLE, ENHANCED = 1, 3, 6
TSRESOL = 9


class CaptureError(Exception):
    """A file that can't be read as a capture of Ethernet frames; `str()` says why."""


class Captured(NamedTuple):
    """One frame."""

    octets: bytes
    """As many as were kept."""
    length: int
    at_ns: int
    """0 = not known."""


class _Interface(NamedTuple):
    link_type: int
    units: int
    """A second."""


def frames(data: bytes) -> Iterator[Captured]:
    """The frames of a capture; raises CaptureError, also after some of them."""
    if data[:4] in PCAP:
        return _pcap(data, *PCAP[data[:4]])
    if data[:4] == SECTION:
        return _pcapng(data)
    raise CaptureError("it is neither pcap nor pcapng")


def _pcap(data: bytes, order: str, unit: int) -> Iterator[Captured]:
    if len(data) < 24:
        raise CaptureError("it ends within its header")
    (link_type,) = struct.unpack_from(f"{order}I", data, 20)
    _check(link_type & 0xFFFF)
    record, at = struct.Struct(f"{order}IIII"), 24
    while at < len(data):
        if len(data) < at + record.size:
            raise CaptureError("it ends within a frame")
        seconds, fraction, kept, length = record.unpack_from(data, at)
        at += record.size
        if len(data) < at + kept:
            raise CaptureError("it ends within a frame")
        yield Captured(data[at : at + kept], length, seconds * SECOND + fraction * unit)
        at += kept


def _pcapng(data: bytes) -> Iterator[Captured]:
    at, order = 0, ">"
    interfaces: list[_Interface] = []
    while at < len(data):
        if data[at : at + 4] == SECTION:
            order, interfaces = _order(data, at), []
        body, kind, at = _block(data, at, order)
        if kind == INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind in (SIMPLE, ENHANCED):
            try:
                yield _frame(body, kind, order, interfaces)
            except (struct.error, IndexError) as error:
                raise CaptureError("a block of it is too short, or of no interface") from error


def _order(data: bytes, at: int) -> str:
    magic = data[at + 8 : at + 12]
    if magic not in ORDERS:
        raise CaptureError("its section header is broken")
    return ORDERS[magic]


def _block(data: bytes, at: int, order: str) -> tuple[bytes, int, int]:
    """A block's body, its type, and where the next one begins."""
    if len(data) < at + 12:
        raise CaptureError("it ends within a block")
    kind, length = struct.unpack_from(f"{order}II", data, at)
    if length < 12 or length % 4 or len(data) < at + length:
        raise CaptureError("it ends within a block")
    return data[at + 8 : at + length - 4], kind, at + length


def _interface(body: bytes, order: str) -> _Interface:
    try:
        (link_type,) = struct.unpack_from(f"{order}H", body)
    except struct.error as error:
        raise CaptureError("an interface block of it is too short") from error
    return _Interface(link_type, _units(body[8:], order))


def _units(options: bytes, order: str) -> int:
    """Units of time a second: a power of ten, or of two where the highest bit is set; microseconds by default."""
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(f"{order}HH", options, at)
        if code == TSRESOL and length and at + 4 < len(options):
            value = options[at + 4]
            return int(2 ** (value & 0x7F)) if value & 0x80 else int(10**value)
        at += 4 + (length + 3 & ~3)
    return 1_000_000


def _frame(body: bytes, kind: int, order: str, interfaces: list[_Interface]) -> Captured:
    if kind == SIMPLE:
        (length,) = struct.unpack_from(f"{order}I", body)
        _check(interfaces[0].link_type)
        return Captured(body[4 : 4 + length], length, 0)
    number, high, low, kept, length = struct.unpack_from(f"{order}IIIII", body)
    interface = interfaces[number]
    _check(interface.link_type)
    return Captured(body[20 : 20 + kept], length, (high << 32 | low) * SECOND // interface.units)


def _check(link_type: int) -> None:
    if link_type != ETHERNET:
        raise CaptureError(
            f"its link type is {link_type}, not Ethernet (1): capture on one interface, not on `any`"
        )
