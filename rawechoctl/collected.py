"""What a page about a probe is made of."""

from __future__ import annotations

import time

from rawechoctl.series import Series
from rawechod.control.varlink import Parameters as Body
from rawechod.probe.histogram import Histogram

MARKS = {
    "lost": "lost",
    "late": "late",
    "duplicate": "duplicates",
    "reordered": "reordered",
    "corrupted": "corrupted",
}
MOST_RUNS = 20
"""Runs of lost requests that are listed."""


class Collected:
    """Takes the same memory for a minute and for a week."""

    def __init__(self) -> None:
        self.start: Body = {}
        self.series = Series()
        self.histogram = Histogram()
        self.lost_runs: list[tuple[int, int]] = []
        """First and last number of requests that were lost in a row, the first MOST_RUNS of them."""
        self.further_runs = 0
        self.lost = 0
        """Losses that were told; the summary may know of more."""
        self._last_lost = 0
        self._began: int | None = None

    def take(self, event: str, body: Body) -> None:
        """Take one event in."""
        if event == "start":
            self.start = body
        elif event == "lost":
            self.series.at(self._sent_at(body)).mark("lost")
            self._lost(body["seq"])
        elif event in ("reply", "duplicate", "late"):
            self._arrived(event, body)

    def _sent_at(self, body: Body) -> int:
        """When the request left, since the first one did.

        It is told by the system's clock, which may be set meanwhile, so it is taken over to the monotonic one.
        """
        now = time.monotonic_ns()
        told = body["sent_at_ns"] - (time.time_ns() - now) if body["sent_at_ns"] else now
        if self._began is None:
            self._began = told
        return min(told, now) - self._began

    def _arrived(self, event: str, body: Body) -> None:
        stretch = self.series.at(self._sent_at(body))
        for name in (event, "reordered", "corrupted"):
            if name in MARKS and (name == event or body[name]):
                stretch.mark(MARKS[name])
        if event == "reply":
            stretch.reply(body["rtt_ns"])
            self.histogram.record(body["rtt_ns"])

    def _lost(self, seq: int) -> None:
        self.lost += 1
        if seq == self._last_lost + 1 and not self.further_runs and self.lost_runs:
            self.lost_runs[-1] = (self.lost_runs[-1][0], seq)
        elif len(self.lost_runs) < MOST_RUNS:
            self.lost_runs.append((seq, seq))
        elif seq != self._last_lost + 1:
            self.further_runs += 1
        self._last_lost = seq
