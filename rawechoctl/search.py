"""The largest size that passes, found in a few tries. PURE."""

from __future__ import annotations

from collections.abc import Callable

Passes = Callable[[int, bool], bool]
"""Whether a size passes; with True as sure as can be."""
ROUNDS = 4
"""How often losses may have been taken for a size that does not pass."""


def largest(first: int, last: int, passes: Passes) -> int | None:
    """The largest size from `first` to `last` that passes; None where `first` does not.

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


def _between(low: int, high: int, passes: Passes) -> int:
    """The largest that passes, of a `low` that does and a `high` that seems not to."""
    while high - low > 1:
        middle = (low + high) // 2
        if passes(middle, False):
            low = middle
        else:
            high = middle
    return low
