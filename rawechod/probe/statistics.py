"""Figures of a probe: moments, percentiles, round-trip delay variation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from rawechod.probe.histogram import Histogram

MOST_NEW = 256
"""Round-trip times that are kept until they are taken in together."""


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


class RttStatistics:
    """Round-trip times, and the differences of consecutive ones."""

    def __init__(self) -> None:
        self._moments = Moments()
        self._histogram = Histogram()
        self._ipdv = Moments()
        self._last: tuple[int, int] = (0, 0)
        self._new: list[tuple[int, int]] = []
        """Not yet in the figures: many at a time cost less."""

    def record(self, number: int, rtt: int) -> None:
        """Take in the round-trip time of the request with this number (1, 2, 3, ...), nanoseconds."""
        self._new.append((number, rtt))
        if len(self._new) >= MOST_NEW:
            self._take_in()

    def _take_in(self) -> None:
        new, self._new = self._new, []
        if not new:
            return
        rtts = [rtt for _, rtt in new]
        self._moments.extend(rtts)
        self._histogram.extend(rtts)
        pairs = zip([self._last, *new], new, strict=False)
        self._ipdv.extend([rtt - old for (before, old), (number, rtt) in pairs if before and number == before + 1])
        self._last = new[-1]

    def rtt(self) -> RttValues | None:
        """Figures of the round-trip times, None where nothing came back."""
        self._take_in()
        values = self._moments.values()
        if not values:
            return None
        low, high = values.min, values.max
        p50, p90, p99, p999, p9999 = (
            min(max(self._histogram.percentile(p), low), high) for p in (50.0, 90.0, 99.0, 99.9, 99.99)
        )
        return RttValues(low, values.mean, high, values.stddev, p50, p90, p99, p999, p9999)

    def pdv(self) -> PdvValues | None:
        """How far the round-trip times are above the smallest."""
        rtt = self.rtt()
        if not rtt:
            return None
        low = rtt.min
        mean = round(rtt.mean - low, 1)
        return PdvValues(mean, rtt.p50 - low, rtt.p90 - low, rtt.p99 - low, rtt.p999 - low, rtt.max - low)

    def ipdv(self) -> MomentValues | None:
        """Signed differences of the round-trip times of consecutive requests (after RFC 3393)."""
        self._take_in()
        return self._ipdv.values()
