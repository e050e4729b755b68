"""The batch engine's fast path in C (batch.c), for whoever has it built; through ctypes."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from rawechod.echo import native
from rawechod.echo.breaker import MOST_LOOPS, StormBreaker
from rawechod.echo.constants import HEAD_LENGTH, TRACED_OCTETS
from rawechod.echo.counters import MOST_SESSIONS, Counters
from rawechod.echo.peers import MOST_PEERS, Census, Memory, PeerState
from rawechod.packet import compiled
from rawechod.packet.batch import BATCH, Received
from rawechod.packet.compiled import Arrival, Refusal
from rawechod.packet.socket import NO_RING, Ring

VERDICTS = len(native.VERDICTS)
_TRACED = struct.Struct(f"=QIIHHBBBx{TRACED_OCTETS}s")
"""`struct re_traced`: received_at, length, kept, tpid, tci, packet_type, verdict, refused, octets."""
_SESSION = struct.Struct(f"=QI4x{native.SESSION.size}s")
"""`struct session` of tables.h; its mark for one in use is not looked at."""


class Traced(NamedTuple):
    """A frame of the last batch as it came, and what became of it."""

    received: Received
    """The first TRACED_OCTETS of it."""
    verdict: int
    refused: bool
    """The kernel did not take the reply."""


class _Shared(ctypes.Structure):
    """The first fields of `struct re_batch`."""

    _fields_ = (
        ("settings", native.Settings),
        ("verdicts", ctypes.c_uint64 * VERDICTS),
        ("dropped_before", ctypes.c_uint64),
        ("unhandled", ctypes.c_int32 * BATCH),
        ("refused", Refusal * BATCH),
        ("unhandled_count", ctypes.c_int32),
        ("refused_count", ctypes.c_int32),
        ("tracing", ctypes.c_int32),
        ("traced", ctypes.c_uint64 * (_TRACED.size * BATCH // 8)),
    )


class _Loop(ctypes.Structure):
    """`struct re_loop`."""

    _fields_ = (
        ("mac", ctypes.c_uint64),
        ("frames", ctypes.c_uint64),
        ("head", ctypes.c_uint8 * HEAD_LENGTH),
        ("open", ctypes.c_uint8),
        ("zero", ctypes.c_uint8),
    )


@cache
def _library() -> ctypes.CDLL | None:
    library = compiled.library(native.HERE, "_batch")
    if library is None:
        return None
    # Plain addresses: checking a pointer's type would take a part of each frame's time.
    u32, u64, address, octets = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p
    library.re_tables_new.restype = library.re_batch_new.restype = address
    library.re_tables_free.argtypes = library.re_tables_forget.argtypes = (address,)
    library.re_tables_allow.argtypes = (address, octets, u32)
    library.re_tables_peers.argtypes = (address, octets, octets, octets)
    library.re_tables_sessions.argtypes = (address, octets, octets)
    library.re_tables_import.argtypes = (address, octets, u32, octets, octets, u32, u64, u64)
    library.re_tables_take_loops.argtypes = (address, ctypes.POINTER(_Loop))
    library.re_tables_open_loops.argtypes = (address, ctypes.POINTER(u64), ctypes.c_int)
    library.re_batch_new.argtypes = (address, ctypes.c_int, u32, u32, u32)
    library.re_batch_free.argtypes = library.re_batch_serve.argtypes = (address,)
    library.re_batch_dropped.restype, library.re_batch_dropped.argtypes = u64, (address,)
    library.re_batch_look.argtypes = (address, ctypes.c_int, ctypes.POINTER(Arrival))
    return library


def available() -> bool:
    """Whether this installation has the compiled part."""
    return _library() is not None


class Tables:
    """What C remembers of those who asked; a listener's, and lent to each batch engine that serves it."""

    def __init__(self) -> None:
        library = _library()
        assert library is not None, "ask available() first"
        self._library = library
        self.address: int | None = library.re_tables_new()
        if not self.address:
            raise MemoryError

    def close(self) -> None:
        """Give the memory back; nobody uses them any more."""
        self._library.re_tables_free(self.address)

    def allow(self, macs: Iterable[bytes]) -> None:
        """The sources that settings with a list of them mean."""
        numbers = sorted(int.from_bytes(mac) for mac in macs)
        octets = b"".join(map(native.MAC.pack, numbers))
        if not self._library.re_tables_allow(self.address, octets, len(numbers)):
            raise MemoryError

    def census(self) -> Census:
        """What was counted of each peer, since the beginning."""
        macs, peers, others = self._peers()
        return native.census(macs, peers, others)

    def export(self) -> Memory:
        """Hand over everything: nothing is left."""
        sessions, due = map(ctypes.create_string_buffer, (MOST_SESSIONS * _SESSION.size, native.MAC.size))
        count = self._library.re_tables_sessions(self.address, sessions, due)
        macs, peers, others = self._peers()
        self._library.re_tables_forget(self.address)
        known = zip(native.MAC.iter_unpack(macs), native.PEER.iter_unpack(peers), strict=True)
        return Memory(
            [
                native.unpack_session(mac.to_bytes(6), number, state)
                for mac, number, state in _SESSION.iter_unpack(sessions.raw[: count * _SESSION.size])
            ],
            [PeerState(mac.to_bytes(6), *peer) for (mac,), peer in known],
            native.PEER.unpack(others)[1],
            *native.MAC.unpack(due.raw),
        )

    def import_(self, memory: Memory) -> None:
        """Go on with what a former owner remembered, beside what is here already."""
        sessions = b"".join(
            _SESSION.pack(int.from_bytes(one.peer), one.number, native.pack_session(one))
            for one in sorted(memory.sessions, key=lambda each: each.last)
        )
        known = sorted(memory.peers, key=lambda each: each.last)
        macs = b"".join(native.MAC.pack(int.from_bytes(one.mac)) for one in known)
        peers = b"".join(native.PEER.pack(*one[1:]) for one in known)
        counts = len(memory.sessions), len(memory.peers)
        self._library.re_tables_import(
            self.address, sessions, counts[0], macs, peers, counts[1], memory.forgotten, memory.due
        )

    def survey(self, breaker: StormBreaker) -> None:
        """Tell the storm breaker who sent how much, and C for whom it is open."""
        loops = (_Loop * MOST_LOOPS)()
        for loop in loops[: self._library.re_tables_take_loops(self.address, loops)]:
            if loop.frames:
                breaker.count(loop.mac.to_bytes(6), bytes(loop.head), loop.frames)
        peers = [int.from_bytes(peer) for peer in breaker.open]
        self._library.re_tables_open_loops(self.address, (ctypes.c_uint64 * len(peers))(*peers), len(peers))

    def _peers(self) -> tuple[bytes, bytes, bytes]:
        """The MACs, an entry for each, and that of all others."""
        sizes = (MOST_PEERS * native.MAC.size, MOST_PEERS * native.PEER.size, native.PEER.size)
        macs, peers, others = map(ctypes.create_string_buffer, sizes)
        count: int = self._library.re_tables_peers(self.address, macs, peers, others)
        return macs.raw[: count * native.MAC.size], peers.raw[: count * native.PEER.size], others.raw


class Accelerator:
    """Answers valid requests on a socket; what it does not decide comes out as frames for the reflector."""

    def __init__(
        self,
        sock: socket.socket,
        frame_size: int,
        settings: native.Settings,
        tables: Tables,
        ring: Ring = NO_RING,
    ) -> None:
        """Frames are cut at `frame_size` octets; `ring` is what the socket was opened with."""
        library = _library()
        assert library is not None, "ask available() first"
        self._library = library
        self._serve = library.re_batch_serve
        self._batch: int | None = library.re_batch_new(tables.address, sock.fileno(), frame_size, *ring)
        if not self._batch:
            raise MemoryError
        self._shared = _Shared.from_address(self._batch)
        self._shared.settings = settings
        self._told = [0] * VERDICTS
        self._dropped = 0

    def adopt(self, settings: native.Settings) -> None:
        """Follow a change of the policy; buckets and sessions go on."""
        self._shared.settings = settings

    def close(self) -> None:
        """Give the memory back."""
        self._library.re_batch_free(self._batch)

    def serve(self) -> int:
        """Serve what has arrived, at most BATCH frames: how many. Raises OSError, as recv does."""
        count: int = self._serve(self._batch)
        if count < 0:
            raise OSError(-count, os.strerror(-count))
        return count

    @property
    def refused(self) -> list[int]:
        """The errnos of the last batch's replies that the kernel did not take."""
        count = self._shared.refused_count
        return [one.error for one in self._shared.refused[:count]] if count else []

    @property
    def unhandled(self) -> list[Received]:
        """The last batch's frames that are left to the reflector."""
        count = self._shared.unhandled_count
        return [self._look(slot) for slot in self._shared.unhandled[:count]] if count else []

    def flush(self, counters: Counters) -> None:
        """Add what was counted since the last call; frames left to the reflector are counted by it.

        Replies say from then on what the listener's receive buffers dropped in all. To be called first of all.
        """
        counts = list(self._shared.verdicts)
        native.count(counters, [new - old for new, old in zip(counts, self._told, strict=True)])
        dropped = self._library.re_batch_dropped(self._batch)
        counters.kernel_drops += dropped - self._dropped
        self._told, self._dropped = counts, dropped
        self._shared.dropped_before = counters.kernel_drops - dropped

    def trace(self, on: bool) -> None:
        """Keep of each frame what a trace shows."""
        self._shared.tracing = on

    def traced(self, count: int) -> list[Traced]:
        """The frames of the last batch, which had so many."""
        view = memoryview(self._shared.traced).cast("B")[: count * _TRACED.size]
        found = []
        for at, length, kept, tpid, tci, kind, verdict, refused, octets in _TRACED.iter_unpack(view):
            received = Received(octets[:kept], length, kind, (tpid, tci) if tpid else None, at)
            found.append(Traced(received, verdict, bool(refused)))
        return found

    def _look(self, slot: int) -> Received:
        frame = Arrival()
        self._library.re_batch_look(self._batch, slot, ctypes.byref(frame))
        return frame.received()
