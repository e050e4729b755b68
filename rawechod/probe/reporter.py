"""Tells at a fixed pace what became of the requests of the last while; keeps what is not settled."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rawechod.probe.events import Interval
from rawechod.probe.record import Record
from rawechod.probe.session import Session
from rawechod.probe.statistics import RttStatistics
from rawechod.reactor import Reactor


@dataclass(slots=True)
class _Span:
    """An interval, and what is known of the requests that were sent in it."""

    began: int
    before: int
    """The last request that was sent before it."""
    received: int = 0
    lost: int = 0
    rtt: RttStatistics = field(default_factory=RttStatistics)
    last: int = 0
    """The last request that was sent in it; this and what follows is known when it is over."""
    ended: int = 0
    ends_at: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Of replies that came in it and are not the first to their request, or not as they should be."""


class Reporter:
    """An Interval every `every` nanoseconds of the monotonic clock."""

    def __init__(
        self,
        reactor: Reactor,
        every: int,
        record: Record,
        session: Session,
        on_interval: Callable[[Interval], None],
    ) -> None:
        self._reactor = reactor
        self._every = every
        self._record = record
        self._session = session
        self._on_interval = on_interval
        self._present = _Span(record.started_at, session.sent)
        self._past: deque[_Span] = deque()
        self._counted = self._counts()
        self._next = reactor.call_at(record.started_at + every, self._report)

    def received(self, number: int, rtt: int) -> None:
        """The first reply to a request came, in time."""
        span = self._span(number)
        span.received += 1
        span.rtt.record(number, rtt)

    def lost(self, number: int) -> None:
        """A request is lost."""
        self._span(number).lost += 1

    def tell(self) -> None:
        """Tell of the intervals that are over and all of whose requests are settled."""
        while self._past and self._session.settled >= self._past[0].last:
            self._tell(self._past.popleft())

    def close(self, now: int) -> None:
        """Tell of the rest, so that the intervals add up to the summary."""
        self.cancel()
        self._end_present(max(now, self._present.began))
        for span in self._past:
            self._tell(span)

    def cancel(self) -> None:
        """Tell nothing more."""
        self._next.cancel()

    def _span(self, number: int) -> _Span:
        if number > self._present.before:
            return self._present
        return next(span for span in reversed(self._past) if number > span.before)

    def _report(self) -> None:
        now, start = self._reactor.now(), self._record.started_at
        self._end_present(now)
        self.tell()
        # In step with the beginning, so late wake-ups don't add up; a machine that slept skips what it missed.
        self._next = self._reactor.call_at(now + self._every - (now - start) % self._every, self._report)

    def _end_present(self, now: int) -> None:
        counts, span = self._counts(), self._present
        span.last, span.ended, span.ends_at = self._session.sent, now, time.time_ns()
        span.counts = {name: count - self._counted[name] for name, count in counts.items()}
        self._past.append(span)
        self._present, self._counted = _Span(now, span.last), counts

    def _tell(self, span: _Span) -> None:
        start = self._record.started_at
        self._on_interval(
            Interval(
                start_s=round((span.began - start) / 1e9, 6),
                end_s=round((span.ended - start) / 1e9, 6),
                ends_at_ns=span.ends_at,
                sent=span.last - span.before,
                received=span.received,
                lost=span.lost,
                rtt_ns=span.rtt.rtt(),
                **span.counts,
            )
        )

    def _counts(self) -> dict[str, Any]:
        counts = self._record.counts()
        return {name: counts[name] for name in ("late", "duplicates", "reordered", "corrupted")}
