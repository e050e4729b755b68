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
        self._last_lost = 0
        self._began = 0

    def take(self, event: str, body: Body) -> None:
        """Take one event in. The time is the monotonic clock's: the system's may be set meanwhile."""
        now = time.monotonic_ns()
        if event == "start":
            self.start, self._began = body, now
        elif event == "using":
            self._began = now  # the search is over; the run begins
        elif event == "lost":
            waited = 0 if body["error"] else self.start["timeout_ns"]
            self.series.at(now - self._began - waited).mark("lost")
            self._lost(body["seq"])
        elif event in ("reply", "duplicate", "late"):
            self._arrived(event, body, now - self._began - body["rtt_ns"])

    def _arrived(self, event: str, body: Body, sent_at: int) -> None:
        stretch = self.series.at(sent_at)
        for name in (event, "reordered", "corrupted"):
            if name in MARKS and (name == event or body[name]):
                stretch.mark(MARKS[name])
        if event == "reply":
            stretch.reply(body["rtt_ns"])
            self.histogram.record(body["rtt_ns"])

    def _lost(self, seq: int) -> None:
        if seq == self._last_lost + 1 and not self.further_runs and self.lost_runs:
            self.lost_runs[-1] = (self.lost_runs[-1][0], seq)
        elif len(self.lost_runs) < MOST_RUNS:
            self.lost_runs.append((seq, seq))
        elif seq != self._last_lost + 1:
            self.further_runs += 1
        self._last_lost = seq
