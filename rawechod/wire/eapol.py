"""The EAPOL envelope of an Echo PDU under ETH_P_PAE.

 0         1         2         3         4
+---------+---------+---------+---------+- - - -
| version | type    | body length       | body      IEEE 802.1X-2020, section 11.3
|    3    |  0xEC   |                   |           0xEC is a reserved packet type
+---------+---------+---------+---------+- - - -
"""

from __future__ import annotations

import struct

from rawechod.reasons import DropReason, MalformedFrameError

HEADER_LENGTH = 4
VERSION = 3
PACKET_TYPE = 0xEC
EAP_PACKET, EAP_REQUEST = 0, 1
"""A real packet type, and the first octet of its body where an authenticator asks."""

_HEADER = struct.Struct("!BBH")


def wrap(body: bytes) -> bytes:
    """The envelope around a body of at most 65535 octets."""
    return _HEADER.pack(VERSION, PACKET_TYPE, len(body)) + body


def is_eap_request(payload: bytes) -> bool:
    """Whether an authenticator sent this."""
    return len(payload) > HEADER_LENGTH and (payload[1], payload[HEADER_LENGTH]) == (EAP_PACKET, EAP_REQUEST)


def unwrap(payload: bytes) -> bytes:
    """The body of our envelope; padding behind it is cut off.

    Raises MalformedFrameError: FOREIGN for the EAPOL of a real authenticator or supplicant, TOO_SHORT,
    BAD_LENGTH. The version is not looked at: IEEE 802.1X lets newer ones pass.
    """
    if len(payload) < HEADER_LENGTH:
        raise MalformedFrameError(DropReason.TOO_SHORT)
    _, packet_type, length = _HEADER.unpack_from(payload)
    if packet_type != PACKET_TYPE:
        raise MalformedFrameError(DropReason.FOREIGN)
    if length > len(payload) - HEADER_LENGTH:
        raise MalformedFrameError(DropReason.BAD_LENGTH)
    return payload[HEADER_LENGTH : HEADER_LENGTH + length]
