"""Figures of a probe: moments, percentiles, round-trip delay variation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import mul, sub

from rawechod.probe.histogram import Histogram

MOST_NEW = 256
"""Round-trip times that are kept until they are counted together."""
MOST_APART = 65_536
"""Requests whose neighbour is missing that are remembered: its reply may yet come."""


@dataclass(frozen=True, slots=True)
class MomentValues:
    """Nanoseconds; whole numbers but for mean and stddev."""

    min: int
    mean: float
    max: int
    stddev: float


@dataclass(frozen=True, slots=True)
class RttValues(MomentValues):
    """Round-trip times, nanoseconds, the responder's residence subtracted where it is known."""

    p50: int
    p90: int
    p99: int
    p999: int
    p9999: int


@dataclass(frozen=True, slots=True)
class PdvValues:
    """Round-trip delay variation, nanoseconds: round-trip times minus their minimum (after RFC 5481)."""

    mean: float
    p50: int
    p90: int
    p99: int
    p999: int
    max: int


class Moments:
    """Minimum, mean, maximum and standard deviation of a stream of whole numbers, by exact sums."""

    __slots__ = ("_max", "_min", "_squares", "_sum", "count")

    def __init__(self) -> None:
        self.count = self._sum = self._squares = self._min = self._max = 0

    def record(self, value: int) -> None:
        """Take in one value."""
        if not self.count or value < self._min:
            self._min = value
        if not self.count or value > self._max:
            self._max = value
        self.count += 1
        self._sum += value
        self._squares += value * value

    def extend(self, values: Sequence[int]) -> None:
        """Take in many values, in less time each."""
        if not values:
            return
        for extreme in (min(values), max(values)):
            self.record(extreme)
            self._sum -= extreme
            self._squares -= extreme * extreme
        self.count += len(values) - 2
        self._sum += sum(values)
        self._squares += sum(map(mul, values, values))

    def values(self) -> MomentValues | None:
        """The figures, None before the first value. The deviation is the population's, as ping's mdev is."""
        if not self.count:
            return None
        # Whole numbers up to the root: nothing cancels out, however long the run.
        variance = (self.count * self._squares - self._sum * self._sum) / (self.count * self.count)
        mean = self._sum / self.count
        return MomentValues(self._min, round(mean, 1), self._max, round(math.sqrt(variance), 1))


class _Differences:
    """Differences between the values of consecutive numbers, in whatever order these come."""

    def __init__(self) -> None:
        self.moments = Moments()
        self._firsts: dict[int, int] = {}
        """The values with which runs of numbers begin, as long as those before them are missing."""
        self._lasts: dict[int, int] = {}
        """Those with which they end."""

    def extend(self, values: list[tuple[int, int]]) -> None:
        """Add numbers, each of which comes once, and their values."""
        values.sort()
        start = 0
        if values[-1][0] - values[0][0] >= len(values):
            for at in range(1, len(values)):
                if values[at][0] != values[at - 1][0] + 1:
                    self._join(values[start:at])
                    start = at
        self._join(values[start:])
        for ends in (self._firsts, self._lasts):
            if len(ends) > 2 * MOST_APART:
                for number in list(islice(ends, MOST_APART)):
                    del ends[number]

    def _join(self, run: list[tuple[int, int]]) -> None:
        values = [value for _, value in run]
        (first, _), (last, _) = run[0], run[-1]
        before, after = self._lasts.pop(first - 1, None), self._firsts.pop(last + 1, None)
        if before is None:
            self._firsts[first] = values[0]
        else:
            values.insert(0, before)
        if after is None:
            self._lasts[last] = values[-1]
        else:
            values.append(after)
        self.moments.extend(list(map(sub, values[1:], values)))


class RttStatistics:
    """Round-trip times, and the differences of consecutive ones."""

    def __init__(self) -> None:
        self._moments = Moments()
        self._histogram = Histogram()
        self._ipdv = _Differences()
        self._new: list[tuple[int, int]] = []
        """Not yet in the figures: many at a time cost less."""

    def record(self, number: int, rtt: int) -> None:
        """Record the round-trip time of the request with this number (1, 2, 3, ...), nanoseconds; once each."""
        self._new.append((number, rtt))
        if len(self._new) >= MOST_NEW:
            self._count()

    def _count(self) -> None:
        new, self._new = self._new, []
        if not new:
            return
        rtts = [rtt for _, rtt in new]
        self._moments.extend(rtts)
        self._histogram.extend(rtts)
        self._ipdv.extend(new)

    def rtt(self) -> RttValues | None:
        """Figures of the round-trip times, None where nothing came back."""
        self._count()
        values = self._moments.values()
        if not values:
            return None
        low, high = values.min, values.max
        p50, p90, p99, p999, p9999 = (
            min(max(value, low), high) for value in self._histogram.percentiles(50.0, 90.0, 99.0, 99.9, 99.99)
        )
        return RttValues(low, values.mean, high, values.stddev, p50, p90, p99, p999, p9999)

    def pdv(self) -> PdvValues | None:
        """How far the round-trip times are above the smallest, to 1 % of themselves or 1 us."""
        rtt = self.rtt()
        if not rtt:
            return None
        low = rtt.min
        mean = round(rtt.mean - low, 1)
        return PdvValues(mean, rtt.p50 - low, rtt.p90 - low, rtt.p99 - low, rtt.p999 - low, rtt.max - low)

    def ipdv(self) -> MomentValues | None:
        """Signed differences of the round-trip times of consecutive requests (after RFC 3393 and 5481)."""
        self._count()
        return self._ipdv.moments.values()
