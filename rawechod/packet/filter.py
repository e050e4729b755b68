"""Classic BPF programs that keep foreign frames away from Python.

A program drops in the kernel, uncounted. So it looks at the EtherType only where the listener has one; with
every EtherType (ETH_P_ALL) it must look at the magic too, and then TOO_SHORT, FOREIGN and BAD_MAGIC can't be
counted. Addresses never stand in it: it is locked, they change.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rawechod.wire import eapol, echo, ethernet

LDX_IMM = 0x01
LD_WORD, LD_HALF, LD_BYTE = 0x40, 0x48, 0x50  # indirect: at [X + k]
JUMP_EQUAL, JUMP_GREATER_EQUAL, RETURN = 0x15, 0x35, 0x06
WHOLE_FRAME = 0x40000

_INSTRUCTION = struct.Struct("=HBBI")


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: the value of `size` at octet `offset` behind the EtherType field's first octet."""

    size: int
    offset: int
    value: int
    comparison: int = JUMP_EQUAL


Instruction = tuple[int, int, int, int]


def _find_ethertype() -> list[Instruction]:
    """X = the EtherType's offset behind at most two tags in the octets, A = the EtherType."""
    program: list[Instruction] = [(LDX_IMM, 0, 0, 12), (LD_HALF, 0, 0, 0)]
    for depth in range(1, ethernet.MOST_TAGS + 1):
        end = 4 * (ethernet.MOST_TAGS - depth) + 2
        program += [
            (JUMP_EQUAL, 1, 0, ethernet.TPID_C),
            (JUMP_EQUAL, 0, end, ethernet.TPID_S),
            (LDX_IMM, 0, 0, 12 + depth * ethernet.TAG_LENGTH),
            (LD_HALF, 0, 0, 0),
        ]
    return program


def _all_of(checks: tuple[Check, ...]) -> list[Instruction]:
    """Accept the frame where every check holds; else go on behind this block."""
    program: list[Instruction] = []
    for index, check in enumerate(checks):
        behind = 2 * (len(checks) - index - 1) + 1
        program += [
            (check.size, 0, 0, check.offset),
            (check.comparison, 0, behind, check.value),
        ]
    return [*program, (RETURN, 0, 0, WHOLE_FRAME)]


def _assemble(*alternatives: tuple[Check, ...]) -> bytes:
    """A program that accepts a frame if all checks of one alternative hold."""
    program = _find_ethertype()
    for checks in alternatives:
        program += _all_of(checks)
    program.append((RETURN, 0, 0, 0))
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def _echo_pdu(*more: Check) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    """The PDU right behind the EtherType, and in the EAPOL envelope; `more` counts from the PDU's start."""

    def at(start: int) -> tuple[Check, ...]:
        checks = (Check(LD_HALF, 0, echo.MAGIC), *more)
        return tuple(Check(c.size, c.offset + start, c.value, c.comparison) for c in checks)

    enveloped = (Check(LD_HALF, 0, ethernet.ETH_P_PAE), Check(LD_BYTE, 3, eapol.PACKET_TYPE))
    plain = Check(LD_HALF, 0, ethernet.SMALLEST_ETHERTYPE, JUMP_GREATER_EQUAL)
    return (*enveloped, *at(2 + eapol.HEADER_LENGTH)), (plain, *at(2))


def responder_filter(ethertype: int) -> bytes:
    """What a listener hears: its EtherType, or with ETH_P_ALL all that begins like an Echo PDU."""
    if ethertype == ethernet.ETH_P_ALL:
        return _assemble(*_echo_pdu())
    return _assemble((Check(LD_HALF, 0, ethertype),))


def loopback_filter(ethertype: int, refused: frozenset[int]) -> bytes:
    """What a loopback hears: its EtherType, or with ETH_P_ALL every one but those."""
    if ethertype != ethernet.ETH_P_ALL:
        return responder_filter(ethertype)
    program = _find_ethertype()
    program += [(JUMP_EQUAL, len(refused) - index, 0, number) for index, number in enumerate(sorted(refused))]
    program += [(RETURN, 0, 0, WHOLE_FRAME), (RETURN, 0, 0, 0)]
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def hello_filter(ethertype: int) -> bytes | None:
    """What the tutorial's server and client hear; None = everything."""
    return None if ethertype == ethernet.ETH_P_ALL else responder_filter(ethertype)


def probe_filter(session: int, authenticators: bool = False) -> bytes:
    """What a probe hears: the replies of its own session; and EAP requests of 802.1X, where they are wanted."""
    op = Check(LD_BYTE, echo.OP_OFFSET, echo.REPLY)
    replies = _echo_pdu(op, Check(LD_WORD, echo.SESSION_OFFSET, session))
    is_eap = Check(LD_BYTE, 3, eapol.EAP_PACKET), Check(LD_BYTE, 2 + eapol.HEADER_LENGTH, eapol.EAP_REQUEST)
    eap = (Check(LD_HALF, 0, ethernet.ETH_P_PAE), *is_eap)
    return _assemble(*replies, eap) if authenticators else _assemble(*replies)
