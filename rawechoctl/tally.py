"""What a client counts of a probe while it runs; the summary, which the daemon makes, has the last word."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from rawechod.control.varlink import Parameters as Body
from rawechod.probe.statistics import RttStatistics, RttValues

REMEMBERED = 4096
"""Answered requests, so that a group's further replies do not count as further requests."""


class Tally:
    """Counts and percentiles in a memory that does not grow with the run."""

    def __init__(self) -> None:
        self.answered = 0
        self.lost = 0
        self.rare: Counter[str] = Counter()
        """Duplicates and their like, those that happened."""
        self._statistics = RttStatistics()
        self._seen: dict[int, None] = {}

    def take(self, event: str, body: Body) -> None:
        """Count one event."""
        if event == "lost":
            self.lost += 1
        elif event in ("late", "duplicate"):
            self.rare["late" if event == "late" else "duplicates"] += 1
        elif event == "reply":
            self.rare.update(word for word in ("reordered", "corrupted") if body[word])
            self._reply(body["seq"], body["rtt_ns"])

    def _reply(self, seq: int, rtt: int) -> None:
        if seq in self._seen:
            return
        self.answered += 1
        self._statistics.record(self.answered, rtt)
        self._seen[seq] = None
        if len(self._seen) > 2 * REMEMBERED:
            for old in list(islice(self._seen, REMEMBERED)):
                del self._seen[old]

    def rtt(self) -> RttValues | None:
        """Figures of the round-trip times so far."""
        return self._statistics.rtt()
