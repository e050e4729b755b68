"""The batch engine's fast path in C (batch.c), for whoever has it built; through ctypes."""

from __future__ import annotations

import ctypes
import os
import socket
from functools import cache

from rawechod.echo import native
from rawechod.echo.breaker import MOST_LOOPS, StormBreaker
from rawechod.echo.constants import HEAD_LENGTH
from rawechod.echo.counters import Counters
from rawechod.echo.peers import MOST_PEERS, Census
from rawechod.packet import compiled
from rawechod.packet.batch import BATCH, Received
from rawechod.packet.compiled import Arrival, Refusal
from rawechod.packet.socket import NO_RING, Ring

VERDICTS = len(native.VERDICTS)


class _Shared(ctypes.Structure):
    """The first fields of `struct re_batch`."""

    _fields_ = (
        ("settings", native.Settings),
        ("verdicts", ctypes.c_uint64 * VERDICTS),
        ("unhandled", ctypes.c_int32 * BATCH),
        ("refused", Refusal * BATCH),
        ("unhandled_count", ctypes.c_int32),
        ("refused_count", ctypes.c_int32),
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
    library.re_batch_new.restype = ctypes.c_void_p
    library.re_batch_new.argtypes = (ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
    library.re_batch_free.argtypes = (ctypes.c_void_p,)
    library.re_batch_serve.argtypes = (ctypes.c_void_p,)
    library.re_batch_take_loops.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Loop))
    library.re_batch_open_loops.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64), ctypes.c_int)
    library.re_batch_peers.argtypes = (ctypes.c_void_p, *3 * (ctypes.c_char_p,))
    library.re_batch_look.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(Arrival))
    return library


def available() -> bool:
    """Whether this installation has the compiled part."""
    return _library() is not None


class Accelerator:
    """Answers valid requests on a socket; what it does not decide comes out as frames for the reflector."""

    def __init__(
        self, sock: socket.socket, frame_size: int, settings: native.Settings, ring: Ring = NO_RING
    ) -> None:
        """Frames are cut at `frame_size` octets; `ring` is what the socket was opened with."""
        library = _library()
        assert library is not None, "ask available() first"
        self._library = library
        self._serve = library.re_batch_serve
        self._batch: int | None = library.re_batch_new(sock.fileno(), frame_size, *ring)
        if not self._batch:
            raise MemoryError
        self._shared = _Shared.from_address(self._batch)
        self._shared.settings = settings
        self._told = [0] * VERDICTS

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
        """Add what was counted since the last call; frames left to the reflector are counted by it."""
        counts = list(self._shared.verdicts)
        native.count(counters, [new - old for new, old in zip(counts, self._told, strict=True)])
        self._told = counts

    def census(self) -> Census:
        """What was counted of each peer, since the beginning."""
        sizes = (MOST_PEERS * native.MAC.size, MOST_PEERS * native.PEER.size, native.PEER.size)
        macs, peers, others = map(ctypes.create_string_buffer, sizes)
        count: int = self._library.re_batch_peers(self._batch, macs, peers, others)
        found = (macs.raw[: count * native.MAC.size], peers.raw[: count * native.PEER.size])
        return native.census(*found, others.raw)

    def survey(self, breaker: StormBreaker) -> None:
        """Tell the storm breaker who sent how much, and C for whom it is open."""
        loops = (_Loop * MOST_LOOPS)()
        for loop in loops[: self._library.re_batch_take_loops(self._batch, loops)]:
            if loop.frames:
                breaker.count(loop.mac.to_bytes(6), bytes(loop.head), loop.frames)
        peers = [int.from_bytes(peer) for peer in breaker.open]
        self._library.re_batch_open_loops(self._batch, (ctypes.c_uint64 * len(peers))(*peers), len(peers))

    def _look(self, slot: int) -> Received:
        frame = Arrival()
        self._library.re_batch_look(self._batch, slot, ctypes.byref(frame))
        return frame.received()
