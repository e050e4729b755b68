"""What happened over time, in a memory that does not grow. PURE."""

from __future__ import annotations

from dataclasses import dataclass, field

BINS = 2000
FIRST_LENGTH = 1_000
"""Nanoseconds."""


@dataclass(slots=True)
class Bin:
    """What was sent in one stretch of time, and became of it."""

    replies: int = 0
    low: int = 0
    high: int = 0
    total: int = 0
    marks: dict[str, int] = field(default_factory=dict)
    """How often something out of the ordinary happened: `lost`, `late`, ..."""

    def reply(self, rtt: int) -> None:
        """Count a round-trip time."""
        self._add(1, rtt, rtt, rtt)

    def mark(self, name: str, count: int = 1) -> None:
        """Count something out of the ordinary."""
        self.marks[name] = self.marks.get(name, 0) + count

    def merge(self, other: Bin) -> None:
        """Take in what another one has."""
        if other.replies:
            self._add(other.replies, other.low, other.high, other.total)
        for name, count in other.marks.items():
            self.mark(name, count)

    def _add(self, replies: int, low: int, high: int, total: int) -> None:
        self.low = min(self.low, low) if self.replies else low
        self.high = max(self.high, high)
        self.replies += replies
        self.total += total

    @property
    def mean(self) -> float:
        """Of the round-trip times; there is one."""
        return self.total / self.replies


class Series:
    """BINS stretches of equal length; where they end, each two become one, and all are twice as long."""

    def __init__(self) -> None:
        self.length = FIRST_LENGTH
        """Of a bin, nanoseconds."""
        self._bins: dict[int, Bin] = {}

    def at(self, when: int) -> Bin:
        """The bin of this moment, nanoseconds since the start."""
        when = max(when, 0)
        while when // self.length >= BINS:
            self._fold()
        return self._bins.setdefault(when // self.length, Bin())

    def _fold(self) -> None:
        finer, self._bins = self._bins, {}
        self.length *= 2
        for number, one in finer.items():
            self._bins.setdefault(number // 2, Bin()).merge(one)

    def bins(self) -> list[tuple[int, Bin]]:
        """Those in which something happened, in order, each with the moment of its middle."""
        return [(number * self.length + self.length // 2, self._bins[number]) for number in sorted(self._bins)]
