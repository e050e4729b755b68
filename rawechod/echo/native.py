"""What Python shares with the C parts: the layout of their settings and the meaning of their verdicts."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

from rawechod.echo.breaker import StormBreaker
from rawechod.echo.constants import MOST_REFUSED
from rawechod.echo.counters import Counters, SessionState
from rawechod.echo.limiter import Limiter
from rawechod.echo.peers import Census
from rawechod.echo.reflector import Policy
from rawechod.reasons import DropReason
from rawechod.wire import ethernet

HERE = Path(__file__).parent
VERDICTS: tuple[DropReason | None, ...] = (
    None,
    None,
    None,
    DropReason.TOO_LONG,
    DropReason.TAG_LOST,
    DropReason.PEER_RATE_LIMIT,
    DropReason.RATE_LIMIT,
    DropReason.STORM,
    DropReason.PROBE_REPLY,
)
"""`enum re_verdict` of reflect.h."""
PASS, REPLY, RETURN = 0, 1, 2
NO_ETHERTYPE = 1
"""In the EtherType's place of no frame: as an 802.3 length it is too small for any."""
MAC = struct.Struct("=Q")
"""A source, as re_mac reads it."""
PEER = struct.Struct("=4Q")
"""`struct re_peer` of reflect.h: due, received, replied, last."""
_COUNTS = struct.Struct("=8x3Q")
"""The same without the first."""


SESSION = struct.Struct("=QQQQIII4x")
"""`struct re_session` of reflect.h: last, count, recent, highest, jump, jumped."""
_WORD = (1 << 64) - 1


def pack_session(state: SessionState) -> bytes:
    """A session as C keeps it."""
    recent = (state.recent & _WORD, state.recent >> 64)
    return SESSION.pack(
        *(state.last, state.received, *recent, state.highest), state.jump or 0, state.jump is not None
    )


def unpack_session(peer: bytes, number: int, octets: bytes) -> SessionState:
    """The reverse."""
    last, count, newest, older, highest, jump, jumped = SESSION.unpack(octets)
    return SessionState(peer, number, last, count, older << 64 | newest, highest, jump if jumped else None)


class Settings(ctypes.Structure):
    """`struct re_settings` of reflect.h."""

    _fields_ = (
        ("mac", ctypes.c_uint64),
        ("cost", ctypes.c_uint64),
        ("tolerance", ctypes.c_uint64),
        ("peer_cost", ctypes.c_uint64),
        ("peer_tolerance", ctypes.c_uint64),
        ("clock_offset", ctypes.c_int64),
        ("longest", ctypes.c_uint32),
        ("ethertype", ctypes.c_uint16),
        ("pae_group", ctypes.c_uint8),
        ("loopback_device", ctypes.c_uint8),
        ("allow_listed", ctypes.c_uint8),
        ("protocol_bound", ctypes.c_uint8),
        ("loopback", ctypes.c_uint8),
        ("refused_count", ctypes.c_uint8),
        ("session", ctypes.c_uint32),
        ("refused", ctypes.c_uint16 * MOST_REFUSED),
        ("dropped", ctypes.c_uint16),
        ("traced", ctypes.c_uint8),
    )


def settings(
    policy: Policy,
    rate_limit: int,
    peer_rate_limit: int,
    clock_offset: int = 0,
    breaker: StormBreaker | None = None,
) -> Settings:
    """A listener's policy and limits as C reads them; the breaker is loopback mode's."""
    listener, peer = Limiter(rate_limit), Limiter(peer_rate_limit)
    return Settings(
        mac=int.from_bytes(policy.own_mac),
        cost=listener.cost,
        tolerance=listener.tolerance,
        peer_cost=peer.cost,
        peer_tolerance=peer.tolerance,
        clock_offset=clock_offset,
        longest=policy.mtu + ethernet.HEADER_LENGTH,
        ethertype=policy.ethertype,
        pae_group=ethernet.PAE_GROUP in policy.groups,
        loopback_device=policy.loopback_device,
        allow_listed=bool(policy.allow),
        protocol_bound=policy.protocol_bound,
        loopback=breaker is not None,
        session=breaker.session if breaker else 0,
        refused_count=len(policy.refused),
        refused=(ctypes.c_uint16 * MOST_REFUSED)(*sorted(policy.refused)),
    )


def idle(settings: Settings) -> Settings:
    """The same for a time in which C is to decide nothing: it passes on what has another EtherType."""
    settings.ethertype = NO_ETHERTYPE
    return settings


def count(counters: Counters, verdicts: list[int]) -> None:
    """Add what C decided, frames for each verdict; what it left to the reflector is counted there."""
    counters.received += sum(verdicts) - verdicts[PASS]
    counters.replied += verdicts[REPLY] + verdicts[RETURN]
    for reason, frames in zip(VERDICTS, verdicts, strict=True):
        if reason and frames:
            counters.drop(reason, frames)


def census(macs: bytes, peers: bytes, others: bytes) -> Census:
    """What C counted of its peers: a MAC and an entry for each, and the entry of all others."""
    found = zip(memoryview(macs).cast("Q"), _COUNTS.iter_unpack(peers), strict=True)
    counted = {mac.to_bytes(6): counts for mac, counts in found if counts[0]}
    return Census(counted, _COUNTS.unpack(others)[0])
