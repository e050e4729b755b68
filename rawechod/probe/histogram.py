"""A log-linear histogram: 64 sub-buckets an octave, so a value is kept to better than 1 %.

Values below 64 have a bucket each. From there on, octave k (2**k to 2**(k+1)) is cut into 64 equal parts.
Memory depends on the spread of the values, never on their number; two histograms merge by addition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

SUB_BITS = 6


class Histogram:
    """Counts of non-negative whole numbers."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.total = 0

    def record(self, value: int) -> None:
        """Count one value; negative ones count as 0."""
        self.extend((value,))

    def extend(self, values: Sequence[int]) -> None:
        """Count values."""
        self._buckets.update(map(_bucket, values))
        self.total += len(values)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts."""
        self._buckets.update(other._buckets)
        self.total += other.total

    def buckets(self) -> Iterator[tuple[int, int, int]]:
        """Smallest and largest value and the count of each bucket that has any, in order."""
        for bucket in sorted(self._buckets):
            yield *_bounds(bucket), self._buckets[bucket]

    def percentile(self, percent: float) -> int:
        """The middle of the bucket that `percent` of the values do not exceed; 0 where there are none.

        Two decimals count; whole numbers inside, since a float's error would pick the next rank.
        """
        hundredths, seen = round(percent * 100), 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen * 10_000 >= hundredths * self.total:
                low, high = _bounds(bucket)
                return (low + high) // 2
        return 0


def _bucket(value: int) -> int:
    if value < 0:
        return 0
    shift = value.bit_length() - 1 - SUB_BITS
    return (shift << SUB_BITS) + (value >> shift) if shift > 0 else value


def _bounds(bucket: int) -> tuple[int, int]:
    """The smallest and the largest value of a bucket."""
    shift = max((bucket >> SUB_BITS) - 1, 0)
    low = (bucket - (shift << SUB_BITS)) << shift
    return low, low + (1 << shift) - 1
