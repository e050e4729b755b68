"""Tells at a fixed pace what happened since it did so last; keeps one interval, however long the probe runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from rawechod.probe.events import Interval
from rawechod.probe.record import Record
from rawechod.probe.session import Session
from rawechod.probe.statistics import RttStatistics
from rawechod.reactor import Reactor


class Reporter:
    """An Interval every `every` nanoseconds of the monotonic clock."""

    def __init__(
        self, reactor: Reactor, every: int, record: Record, session: Session, tell: Callable[[Interval], None]
    ) -> None:
        self._reactor = reactor
        self._every = every
        self._record = record
        self._session = session
        self._tell = tell
        self._began = record.started_at
        self._before = self._counts()
        record.window = RttStatistics()
        self._next = reactor.call_at(self._began + every, self._report)

    def close(self) -> None:
        """Tell of the rest, so that the intervals add up to the summary."""
        self.cancel()
        self._tell_until(self._reactor.now())

    def cancel(self) -> None:
        """Tell nothing more."""
        self._next.cancel()

    def _report(self) -> None:
        now, start = self._reactor.now(), self._record.started_at
        self._tell_until(now)
        # In step with the beginning, so late wake-ups don't add up; a machine that slept skips what it missed.
        self._next = self._reactor.call_at(now + self._every - (now - start) % self._every, self._report)

    def _tell_until(self, now: int) -> None:
        counts, window = self._counts(), self._record.window
        start = self._record.started_at
        self._tell(
            Interval(
                start_s=round((self._began - start) / 1e9, 6),
                end_s=round((now - start) / 1e9, 6),
                ends_at_ns=time.time_ns(),
                rtt_ns=window.rtt() if window else None,
                **{name: count - self._before[name] for name, count in counts.items()},
            )
        )
        self._began, self._before = now, counts
        self._record.window = RttStatistics()

    def _counts(self) -> dict[str, int]:
        return {"sent": self._session.sent} | self._record.counts()
