"""Making room in a map of the kernel engine: the program can't."""

from __future__ import annotations

from collections.abc import Callable

from rawechod.echo.bpf import Map

SWEEP = 1024
"""Entries a map that one sweep looks at, so that the loop is not held up."""


class Sweep:
    """Walks a map in rounds, each where the last one ended."""

    def __init__(self, entries: Map, key_size: int, size: int) -> None:
        self._map, self._key_size, self._size = entries, key_size, size
        self._last: bytes | None = None

    def forget(self, old: Callable[[bytes], bool]) -> dict[bytes, bytes]:
        """Delete the entries of the next round whose value is `old`: those."""
        gone: dict[bytes, bytes] = {}
        keys = self._map.keys(self._key_size, SWEEP, self._last)
        if len(keys) < SWEEP:
            self._last = None
        for key in keys:
            value = self._map.lookup(key, self._size)
            if value and old(value):
                gone[key] = self._map.take(key, self._size) or value  # It may have counted meanwhile.
            elif len(keys) == SWEEP:
                self._last = key
        return gone
