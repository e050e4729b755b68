"""A histogram that is finest at the smallest value: of round-trip times, and of their variation, to 1 %.

A percentile of how far values are above their minimum (RFC 5481's PDV) is a percentile of the values less that
minimum. So a bucket may be as wide as 1/64 of its distance from the minimum: a millionth of a second matters at
40.000 ms if 40 ms is the smallest, and does not at 80. Next to the minimum buckets are 1/64 of the value wide, at
most 1024 ns.

The minimum is known in the end only. A bucket is `2**shift` wide and starts at a multiple of that, so a narrow one
lies within one wide one, and counts move from narrow to wide without loss. The smaller the minimum, the wider may
be the bucket of a value: what was counted while it was larger is counted as finely as it need be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

SUB_BITS = 6
"""A bucket's width is at most 1/64: its middle is at most 1/128 away."""
COARSEST_GRID = 10
"""Next to the minimum a bucket is at most 2**10 wide."""
MOST_ON_GRID = 2048
MOST_BUCKETS = 4096
"""Twice as many as any values fill, if each bucket is as wide as it may be."""


class Histogram:
    """Counts of non-negative whole numbers, in a memory that neither their number nor their order enlarges."""

    def __init__(self) -> None:
        self.total = 0
        self._low = 0
        self._grid = 0
        """The width of the narrowest bucket, as a power of two."""
        self._on_grid: Counter[int] = Counter()
        """Multiples of that width: quick to count, until there are too many."""
        self._buckets: dict[tuple[int, int], int] = {}
        """By the width's power of two, and the multiple of it."""

    def record(self, value: int) -> None:
        """Count one value; negative ones count as 0."""
        self.extend((value,))

    def extend(self, values: Sequence[int]) -> None:
        """Count values."""
        if not values:
            return
        low = min(values)
        if low < 0:
            low, values = 0, [max(value, 0) for value in values]
        if not self.total or low < self._low:
            self._lower(low)
        grid = self._grid
        self._on_grid.update([value >> grid for value in values])
        self.total += len(values)
        if len(self._on_grid) > MOST_ON_GRID:
            self._widen()

    def buckets(self) -> list[tuple[int, int, int]]:
        """Smallest and largest value and the count of each bucket that has any, in the order of their middles.

        Where the minimum fell, a narrow bucket may lie within a wide one.
        """
        self._widen()
        found = [
            (multiple << shift, ((multiple + 1) << shift) - 1, count)
            for (shift, multiple), count in self._buckets.items()
        ]
        return sorted(found, key=lambda bucket: bucket[0] + bucket[1])

    def percentile(self, percent: float) -> int:
        """The middle of the bucket that `percent` of the values do not exceed; 0 where there are none."""
        return self.percentiles(percent)[0]

    def percentiles(self, *percents: float) -> list[int]:
        """Several of them, the smaller ones first.

        Two decimals count; whole numbers inside, since a float's error would pick the next rank.
        """
        found: list[int] = []
        wanted, seen = [round(percent * 100) for percent in percents], 0
        for low, high, count in self.buckets():
            seen += count
            while len(found) < len(wanted) and seen * 10_000 >= wanted[len(found)] * self.total:
                found.append((low + high) // 2)
        return found or [0] * len(wanted)

    def _lower(self, low: int) -> None:
        """Go on with a smaller minimum."""
        grid = min(max(low.bit_length() - 1 - SUB_BITS, 0), COARSEST_GRID)
        if grid != self._grid:
            self._widen()
        self._low, self._grid = low, grid

    def _widen(self) -> None:
        """Have each count in as wide a bucket as may be, if there are many."""
        grid, self._on_grid, on_grid = self._grid, Counter(), self._on_grid
        self._count(grid, on_grid)
        if len(self._buckets) > MOST_BUCKETS:
            before, self._buckets = self._buckets, {}
            for (shift, multiple), count in before.items():
                self._count(shift, {multiple: count})

    def _count(self, shift: int, multiples: dict[int, int]) -> None:
        buckets, low, least_bits = self._buckets, self._low, shift + SUB_BITS + 1
        seen = buckets.get
        for multiple, count in multiples.items():
            # By the bucket's smallest value: none in it may be in a narrower one than that.
            above = (multiple << shift) - low
            wider = above.bit_length() - least_bits
            bucket = (shift + wider, multiple >> wider) if wider > 0 and above > 0 else (shift, multiple)
            buckets[bucket] = seen(bucket, 0) + count
