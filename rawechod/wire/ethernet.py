"""Ethernet II headers, with and without IEEE 802.1Q tags.

     0                   1
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7
    +-----------+-----------+-------+---+
    |    dst    |    src    |  tag  |typ|   octets; 0 to 2 tags of 4 octets: TPID, TCI
    +-----------+-----------+-------+---+
    TCI: pcp (3 bits) | dei (1) | vid (12)

A tap delivers a frame without its outermost tag (the kernel keeps it beside the frame); tags below
that one are still in the octets.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from rawechod.reasons import DropReason, MalformedFrameError

MAC_LENGTH = 6
HEADER_LENGTH = 14
TAG_LENGTH = 4
MINIMUM_FRAME = 60
"""Shortest frame on the wire, octets, without FCS and without tag."""

ETH_P_ALL = 0x0003
ETH_P_PAE = 0x888E
ETH_P_802_EX1 = 0x88B5
ETHERTYPES = {"ETH_P_ALL": ETH_P_ALL, "ETH_P_PAE": ETH_P_PAE, "ETH_P_802_EX1": ETH_P_802_EX1}
"""The names that the configuration and the command line know."""

HOST_ETHERTYPES = {
    "ETH_P_IP": 0x0800,
    "ETH_P_ARP": 0x0806,
    "ETH_P_IPV6": 0x86DD,
    "ETH_P_SLOW": 0x8809,
    "ETH_P_PAE": ETH_P_PAE,
    "ETH_P_LLDP": 0x88CC,
}
"""What a host itself needs: IP, its neighbours, LACP, 802.1X, LLDP."""

SMALLEST_ETHERTYPE = 0x0600
"""Below this the field is an IEEE 802.3 length."""

TPID_C, TPID_S = 0x8100, 0x88A8
TPIDS = frozenset({TPID_C, TPID_S})
MOST_TAGS = 2

ZERO = bytes(MAC_LENGTH)
BROADCAST = b"\xff" * MAC_LENGTH
PAE_GROUP = bytes.fromhex("0180c2000003")
"""The port access entity group address, IEEE 802.1X; ends at the first 802.1D bridge."""
GROUPS = {"broadcast": BROADCAST, "pae-group": PAE_GROUP}
"""Those that are targets by a name."""

_NUMBER = re.compile(r"0x([0-9a-f]{1,8})|[0-9]{1,8}", re.IGNORECASE)
_TAG = struct.Struct("!HH")
_ETHERTYPE = struct.Struct("!H")


@dataclass(frozen=True, slots=True)
class Tag:
    """One IEEE 802.1Q tag."""

    tpid: int
    tci: int

    @property
    def vid(self) -> int:
        """VLAN identifier, 0 to 4095."""
        return self.tci & 0x0FFF

    @property
    def dei(self) -> int:
        """Drop eligible indicator, 0 or 1."""
        return self.tci >> 12 & 1

    @property
    def pcp(self) -> int:
        """Priority code point, 0 to 7."""
        return self.tci >> 13

    def encode(self) -> bytes:
        """The tag's four octets."""
        return _TAG.pack(self.tpid, self.tci)


@dataclass(frozen=True, slots=True)
class Header:
    """The addresses, the tags that are in the frame's octets, and the EtherType behind them."""

    dst: bytes
    src: bytes
    tags: tuple[Tag, ...]
    ethertype: int

    @property
    def length(self) -> int:
        """Octets before the payload."""
        return HEADER_LENGTH + TAG_LENGTH * len(self.tags)


def decode_header(frame: bytes) -> Header:
    """Read a frame's header; raises MalformedFrameError(TOO_SHORT) where it ends too early."""
    offset = 2 * MAC_LENGTH
    tags: list[Tag] = []
    while len(frame) >= offset + 2:
        (ethertype,) = _ETHERTYPE.unpack_from(frame, offset)
        if ethertype not in TPIDS or len(tags) == MOST_TAGS:
            return Header(frame[:6], frame[6:12], tuple(tags), ethertype)
        if len(frame) < offset + TAG_LENGTH:
            break
        tags.append(Tag(*_TAG.unpack_from(frame, offset)))
        offset += TAG_LENGTH
    raise MalformedFrameError(DropReason.TOO_SHORT)


def encode_header(header: Header) -> bytes:
    """The header's octets."""
    tags = b"".join(tag.encode() for tag in header.tags)
    return header.dst + header.src + tags + _ETHERTYPE.pack(header.ethertype)


def is_group(mac: bytes) -> bool:
    """Whether an address is multicast or broadcast."""
    return bool(mac[0] & 1)


def format_mac(mac: bytes) -> str:
    """`02:00:00:00:00:0b`."""
    return mac.hex(":")


def parse_mac(text: str) -> bytes:
    """Six octets of `02:00:00:00:00:0b` or `02-00-...`; raises ValueError with a sentence."""
    parts = text.replace("-", ":").split(":")
    if len(parts) == MAC_LENGTH and all(1 <= len(p) <= 2 and p.isascii() and p.isalnum() for p in parts):
        try:
            return bytes(int(part, 16) for part in parts)
        except ValueError:
            pass
    raise ValueError(f"{text!r} is no MAC address: six octets in hexadecimal, such as 02:00:00:00:00:0b")


def format_ethertype(ethertype: int) -> str:
    """`ETH_P_PAE` where the EtherType has such a name here, else `0x1234`."""
    return next((name for name, value in ETHERTYPES.items() if value == ethertype), f"0x{ethertype:04X}")


def parse_ethertype(text: str) -> int:
    """An EtherType by name or as a number from 0x0600 on; raises ValueError with a sentence."""
    if text in ETHERTYPES:
        return ETHERTYPES[text]
    digits = _NUMBER.fullmatch(text)
    value = int(digits[1], 16) if digits and digits[1] else int(text) if digits else 0
    if SMALLEST_ETHERTYPE <= value <= 0xFFFF and value not in TPIDS:
        return value
    names = ", ".join(ETHERTYPES)
    raise ValueError(f"{text!r} is no EtherType: one of {names}, or a number from 0x0600 to 0xFFFF")
