"""What to send when, and which reply belongs to which request; takes `now`, gives the next deadline.

All times are monotonic nanoseconds. Requests are numbered 1, 2, 3, ... without end; `seq` on the wire is the
number's low 32 bits.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

CATCH_UP = 100_000_000
"""A pace that fell behind (a suspended machine, a stalled process) makes up for this much, nanoseconds."""
BURST = 64
"""Most requests in one go, so that replies and other clients get their turn."""
MOST_ANSWERED_KEPT = 65_536
"""Open requests beyond which an answered one is forgotten at once; its further copies then have no time."""
MOST_LOST_KEPT = 16_384
"""Lost requests that a late reply is still recognised for."""
MOST_RESPONDERS = 1024
"""Responders of a group request that are told apart."""
_SEQ_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session does."""

    count: int
    """Requests, 0 = until stopped."""
    interval: int
    timeout: int
    deadline: int = 0
    """Stop after this long, 0 = never."""
    group: bool = False
    """Several responders may answer one request."""
    window: int = 0
    """Flood: no pace, but at most so many requests unanswered; 0 = keep the interval."""
    report_every: int = 0
    """Tell what happened since the last time this often, 0 = never."""

    @property
    def most_open(self) -> int:
        """Requests whose timeout has not passed, at most: a memory of about 300 octets each."""
        return MOST_ANSWERED_KEPT + self.window if self.window else self.timeout // self.interval + BURST


class Verdict(Enum):
    """What a reply is to its request."""

    REPLY = "reply"
    DUPLICATE = "duplicate"
    LATE = "late"


class Match(NamedTuple):
    """A reply found its request."""

    verdict: Verdict
    number: int
    rtt: int
    """Nanoseconds; 0 for a duplicate or late reply whose request is forgotten."""
    reordered: bool
    first: bool
    """Nobody had answered this request yet."""
    t1: int = 0
    """What the request was sent with; 0 where it is forgotten."""
    stamp: int = 0
    """Its transmit stamp, on whatever clock it was told; 0 = none."""
    hardware_stamp: int = 0
    """The same by the NIC, on the NIC's clock."""


_Request = tuple[int, int, int, int, tuple[bytes, ...]]
"""sent_at, t1, stamp, hardware_stamp, answered_by.

The garbage collector soon leaves plain tuples of numbers alone; to walk through a hundred thousand objects would
hold up the loop.
"""


class Session:
    """One run of requests."""

    def __init__(self, plan: Plan, now: int) -> None:
        self._plan = plan
        self._next_send = now
        self._ends = now + plan.deadline if plan.deadline else None
        self._stopped = False
        self._last = 0
        self._open: OrderedDict[int, _Request] = OrderedDict()
        """Sent less than the timeout ago, answered or not: duplicates and further responders still match."""
        self._unanswered = 0
        self._lost: OrderedDict[int, _Request] = OrderedDict()
        self._highest: dict[bytes, int] = {}

    @property
    def sent(self) -> int:
        """Requests handed out so far."""
        return self._last

    @property
    def outstanding(self) -> int:
        """Requests that neither were answered nor timed out."""
        return self._unanswered

    def finished(self, now: int) -> bool:
        """Nothing more will be sent or waited for."""
        waiting = len(self._open) if self._plan.group else self._unanswered
        return self._past_end(now) or (self._all_sent(now) and not waiting)

    def stop(self) -> None:
        """End now; what is outstanding stays so."""
        self._stopped = True

    def forget(self) -> None:
        """Give the memory back: nothing comes any more."""
        self._open.clear()
        self._lost.clear()

    def next_deadline(self, now: int) -> int | None:
        """When to call `due` next, None = when a reply arrives or never."""
        waits = self._all_sent(now) or (self._plan.window and self._unanswered >= self._plan.window)
        times = [] if waits else [now if self._plan.window else self._next_send]
        if self._open:
            sent_at, *_ = next(iter(self._open.values()))
            times.append(sent_at + self._plan.timeout)
        if self._ends is not None:
            times.append(self._ends)
        return min(times, default=None)

    def due(self, now: int) -> list[int]:
        """Numbers of the requests to send now; tell `sent_at` of each."""
        numbers: list[int] = []
        if self._plan.window:
            self._next_send = now
        most = min(BURST, self._plan.window - self._unanswered) if self._plan.window else BURST
        while not self._all_sent(now) and self._next_send <= now and len(numbers) < most:
            self._last += 1
            numbers.append(self._last)
            if not self._plan.window:
                self._next_send = max(self._next_send + self._plan.interval, now - CATCH_UP)
        return numbers

    def sent_at(self, number: int, when: int, t1: int = 0) -> None:
        """A request left, with this t1. One that could not is never told: it is the caller's to count as lost."""
        self._open[number] = (when, t1, 0, 0, ())
        self._unanswered += 1

    def stamped(self, number: int, stamp: int, hardware_stamp: int = 0) -> None:
        """A request's transmit stamp by the kernel or the NIC came, 0 = not this one; of two, the first counts."""
        request = self._open.get(number)
        if request:
            sent_at, t1, first, hardware_first, answered_by = request
            self._open[number] = (sent_at, t1, first or stamp, hardware_first or hardware_stamp, answered_by)

    def hardware_stamp(self, number: int) -> int:
        """A request's transmit stamp by the NIC; 0 where it has not come, or the request is forgotten."""
        request = self._open.get(number)
        return request[3] if request else 0

    def lost_t1(self, number: int) -> int:
        """What a lost request was sent with; 0 where that is forgotten."""
        request = self._lost.get(number)
        return request[1] if request else 0

    def timed_out(self, now: int) -> list[int]:
        """Numbers of the requests that are lost as of now."""
        lost: list[int] = []
        while self._open:
            number, request = next(iter(self._open.items()))
            sent_at, *_, answered_by = request
            if sent_at + self._plan.timeout > now:
                break
            del self._open[number]
            if not answered_by:
                lost.append(number)
                self._lost[number] = request
                self._unanswered -= 1
        while len(self._lost) > MOST_LOST_KEPT:
            self._lost.popitem(last=False)
        return lost

    def arrived(self, seq: int, responder: bytes, now: int) -> Match | None:
        """A reply came; None where no such request was sent. Call `timed_out` before."""
        number = self._last - (self._last - seq & _SEQ_MASK)
        if number < 1:
            return None
        request = self._open.get(number)
        if request is None:
            return self._too_late(number, now)
        sent_at, t1, stamp, hardware_stamp, answered_by = request
        told = (t1, stamp, hardware_stamp)
        rtt = now - sent_at
        if responder in answered_by:
            return Match(Verdict.DUPLICATE, number, rtt, False, False, *told)
        self._unanswered -= not answered_by
        if len(self._open) > MOST_ANSWERED_KEPT:
            del self._open[number]
        elif len(answered_by) < MOST_RESPONDERS:
            self._open[number] = (sent_at, *told, (*answered_by, responder))
        return Match(Verdict.REPLY, number, rtt, self._reordered(number, responder), not answered_by, *told)

    def _too_late(self, number: int, now: int) -> Match:
        request = self._lost.get(number)
        if request:
            sent_at, t1, *_ = request
            return Match(Verdict.LATE, number, now - sent_at, False, False, t1)
        # The request was answered in time; a group's other members may still be slow.
        verdict = Verdict.LATE if self._plan.group else Verdict.DUPLICATE
        return Match(verdict, number, 0, False, False)

    def _reordered(self, number: int, responder: bytes) -> bool:
        """RFC 4737, section 3: below the next expected number."""
        highest = self._highest.get(responder, 0)
        if number < highest:
            return True
        if highest or len(self._highest) < MOST_RESPONDERS:
            self._highest[responder] = number
        return False

    def _all_sent(self, now: int) -> bool:
        enough = bool(self._plan.count) and self._last >= self._plan.count
        return self._stopped or enough or self._past_end(now)

    def _past_end(self, now: int) -> bool:
        return self._stopped or (self._ends is not None and now >= self._ends)
