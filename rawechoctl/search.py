"""The largest size that passes, and the holes below it, found in a few tries. PURE."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Passes = Callable[[int, bool], bool]
"""Whether a size passes; with True as sure as can be."""
ROUNDS = 4
"""How often a loss may have been taken for a size that does not pass, or a hole for the end."""
SAMPLES = 8
"""Parts of a range between which sizes are tried, since they may not do as was supposed."""
NEAREST = 7
"""Tries 1, 2, 4, ... below the largest size: buffers and headers have round sizes."""
MOST_HOLES = 3
"""Those whose edges are looked for."""


class Found(NamedTuple):
    """What passes."""

    largest: int | None
    """None where not even the smallest size passes."""
    holes: list[tuple[int, int]]
    """Below that, first and last sizes that do not pass, as far as that was tried."""


def search(first: int, last: int, passes: Passes) -> Found:
    """The largest size from `first` to `last` that passes, and what does not below it.

    Between two sizes that pass it is supposed that all others do, but for a few samples.
    """
    known: dict[int, bool] = {}

    def tried(size: int, sure: bool) -> bool:
        known[size] = known.get(size, False) or passes(size, sure)
        return known[size]

    found = largest(first, last, tried)
    if found is None:
        return Found(None, [])
    for _ in range(ROUNDS):
        above = next((size for size in reversed(_spread(found + 1, last)) if tried(size, False)), None)
        if above is None:
            break
        found = largest(above, last, tried) or above
    return Found(found, _holes(first, found, known, tried))


def largest(first: int, last: int, passes: Passes) -> int | None:
    """The largest size from `first` to `last` that passes, if none above one that does not; None where none does.

    One reply proves that a size passes, while silence may be bad luck. So the size above the result is tried
    once more, and the search goes on from there where it passes after all.
    """
    if not passes(first, True):
        return None
    if first == last or passes(last, False):
        return last
    low = first
    for _ in range(ROUNDS):
        low = _between(low, last, passes)
        if not passes(low + 1, True):
            break
        low += 1
        if low == last:
            break
    return low


def _holes(first: int, found: int, known: dict[int, bool], tried: Passes) -> list[tuple[int, int]]:
    samples = {*_spread(first, found), *(found - (1 << power) for power in range(NEAREST))}
    samples |= {size for size, passes in known.items() if not passes}
    failing = [
        size
        for size in sorted(samples)
        if first < size < found and not known.get(size) and not tried(size, False) and not tried(size, True)
    ]
    holes: list[tuple[int, int]] = []
    for size in failing:
        if holes and size <= holes[-1][1]:
            continue
        if len(holes) == MOST_HOLES:
            holes.append((size, size))
            continue
        below = max(one for one, passes in known.items() if passes and one < size)
        above = min(one for one, passes in known.items() if passes and one > size)
        downwards = _between(-above, -size, lambda negative, sure: tried(-negative, sure))
        holes.append((_between(below, size, tried) + 1, -downwards - 1))
    return holes


def _spread(first: int, last: int) -> list[int]:
    """A few sizes of a range, in equal steps, without its ends."""
    return sorted({first + (last - first) * part // SAMPLES for part in range(1, SAMPLES)} - {first, last})


def _between(low: int, high: int, passes: Passes) -> int:
    """The largest that passes, of a `low` that does and a `high` that seems not to."""
    while high - low > 1:
        middle = (low + high) // 2
        if passes(middle, False):
            low = middle
        else:
            high = middle
    return low
