"""What to send when, which reply belongs to which request, and what became of each; takes `now`. PURE.

All times are monotonic nanoseconds where nothing else is said. Requests are numbered 1, 2, 3, ... without end;
`seq` on the wire is the number's low 32 bits. What is known of them stands in arrays, one place a number: a few
dozen octets each, which no garbage collector walks through.
"""

from __future__ import annotations

import heapq
import re
from array import array
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

CATCH_UP = 100_000_000
"""A pace that fell behind (a suspended machine, a stalled process) makes up for this much, nanoseconds."""
BURST = 64
"""Most requests in one go, so that replies and other clients get their turn."""
KEPT = 1 << 17
"""So many settled requests are remembered at least, twice as many at most: for late replies and further copies."""
MOST_UNSETTLED = 1 << 20
"""A flood waits where so many requests stand behind the oldest one without an answer: 25 MB."""
MOST_RESPONDERS = 1024
"""Responders of a group request that are told apart."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1_000_000, 100_000_000
"""Between two attempts of a flood to send: after a refusal, doubled with each further one."""
SHORTEST_TAIL, LONGEST_TAIL = 10_000_000, 100_000_000
"""After the last reply two more round trips are waited for its copies: at least and at most so long."""
OVERTAKING = 3
"""A request that came and has no answer has lost it when so many later ones have theirs."""
MEASURED, MEASURED_REPLIES, LONGEST_MEASURED = 20_000_000, 64, 1_000_000_000
"""How long, and how many replies, a limit is measured."""
FLOOD_CATCH_UP = 1_000_000
MOST_OUTAGES = 100
MOST_STEPPED = 100_000_000
"""Two clocks that differ by more over the same time: one of them was set."""
_SEQ_MASK = 0xFFFFFFFF

PENDING, ANSWERED, LOST, LATE, REFUSED = range(5)
"""What became of a request; LATE: lost, and a reply came after all; REFUSED: by the kernel, it never left."""
_UNANSWERED = re.compile(rb"[^\x01]")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session does."""

    count: int
    """Requests, 0 = until stopped."""
    interval: int
    timeout: int
    deadline: int = 0
    """Send nothing more after this long, 0 = no limit."""
    group: bool = False
    """Several responders may answer one request."""
    window: int = 0
    """Flood: no pace, but at most so many requests unanswered; 0 = keep the interval."""
    report_every: int = 0
    """Tell what happened since the last time this often, 0 = never."""

    @property
    def most_open(self) -> int:
        """Requests whose timeout has not passed, at most."""
        return 2 * KEPT if self.window else self.timeout // self.interval + BURST


class Verdict(Enum):
    """What a reply is to its request."""

    REPLY = "reply"
    DUPLICATE = "duplicate"
    LATE = "late"


_REPLY, _DUPLICATE, _LATE = Verdict


class Match(NamedTuple):
    """A reply found its request."""

    verdict: Verdict
    number: int
    rtt: int
    """From right before the request was sent until the reply was read; 0 where the request is forgotten."""
    reordered: bool
    first: bool
    """Nobody had answered this request yet, in time or not."""
    t1: int = 0
    """What the request was sent with; 0 where it is forgotten."""
    stamp: int = 0
    """Its transmit stamp, on whatever clock it was told; 0 = none."""
    hardware_stamp: int = 0
    """The same by the NIC, on the NIC's clock."""
    overdue: bool = False
    """The request was still waited for, and is lost by this reply's lateness."""


class OutageSpan(NamedTuple):
    """A run of consecutive lost requests; sorts by how many they are."""

    requests: int
    duration: int
    """Until the next answered request left, nanoseconds."""
    started_at: int
    """When the first of them left, nanoseconds since the epoch."""
    first: int
    """Its number."""


class Throttle:
    """How fast a flood goes where the responder leaves requests unanswered that came: as fast as it answers."""

    def __init__(self) -> None:
        self.interval = 0
        """Between two requests, nanoseconds; 0 = no limit is known."""
        self.excused: set[int] = set()
        """Requests that it does not wait for any more."""
        self.nudges = 0
        """Requests that left since the last reply though too many were unanswered."""
        self._since = self._replies = 0
        self._refused = False

    def replied(self, now: int, refused: bool) -> None:
        """A reply came, and says whether others were left unanswered."""
        if not self._since:
            self._since = now if refused else 0
            return
        self._replies += 1
        self._refused = self._refused or refused
        elapsed = now - self._since
        if elapsed < MEASURED or (self._replies < MEASURED_REPLIES and elapsed < LONGEST_MEASURED):
            return
        if self._refused or not self.interval:
            # A bit slower than it answers, so that its bucket fills again.
            self.interval = elapsed * 101 // (100 * self._replies)
        else:
            self.interval -= self.interval // 100
        self._since, self._replies, self._refused = now, 0, False


class Course(NamedTuple):
    """How a session went."""

    sent: int
    outstanding: int
    settled: int
    """The fate of the requests up to this number is known."""
    done_at: int
    """When the last of them got its fate."""
    ended: str = "complete"
    """Why nothing more was sent: `complete`, `deadline`, or what `stop` and `end` said."""
    achieved_interval: int | None = None
    """Mean time between two requests; None where there were not two."""
    outages: tuple[OutageSpan, ...] = ()
    """Those with the most requests, in order of time."""
    limited_to: int = 0
    """A flood was slowed down to one request in so many nanoseconds; 0 = it was not."""


class Session:
    """One run of requests."""

    def __init__(self, plan: Plan, now: int, first: int = 1) -> None:
        """`first` is the number of its first request."""
        self._plan = plan
        self._next_send = now
        self._ends = now + plan.deadline if plan.deadline else None
        self._ended = ""
        """Why nothing more is sent, where that is neither the count nor the deadline."""
        self._over = False
        self._done_at = 0
        self._last = self._expired = self._settled = self._walked = first - 1
        self._allocate(first)
        self._answered_by: dict[int, set[bytes]] = {}
        """Members of a group that have answered a request whose timeout has not passed."""
        self._unanswered = 0
        self.floods = plan.window > 0
        self._throttle = Throttle()
        self._highest: dict[bytes, int] = {}
        self._pause = self._paused_until = 0
        self._last_reply, self._pace = (now, 0), (now, now)
        """When the last one came, and its round trip; when the first request was sent, and the last."""
        self._run: tuple[int, int, int] | None = None
        """Number, time of sending and t1 of the first in a run of lost requests that goes on."""
        self._outages: list[OutageSpan] = []

    def _allocate(self, base: int) -> None:
        self._base = base
        """The number whose place in the arrays is the first."""
        self._fates = bytearray()
        self._sent_at, self._left_by, self._t1 = array("Q"), array("Q"), array("Q")
        """Right before it was sent, right behind, and the system's time in between."""
        self._stamps, self._hardware_stamps = array("Q"), array("Q")
        """Empty where there are none."""

    @property
    def sent(self) -> int:
        """Requests handed out so far."""
        return self._last

    @property
    def outstanding(self) -> int:
        """Requests that neither were answered nor timed out."""
        return self._unanswered

    @property
    def settled(self) -> int:
        """The fate of the requests up to this number is known."""
        at = self._fates.find(PENDING, self._settled + 1 - self._base)
        self._settled = (self._base + at if at >= 0 else self._base + len(self._fates)) - 1
        return self._settled

    def course(self, now: int) -> Course:
        """How it went until now."""
        began, ended = self._pace
        interval = round((ended - began) / (self._last - 1)) if self._last > 1 else None
        ended_by = self._ended or ("complete" if self._enough() else "deadline")
        done_at = self._done_at or now
        spans = self._outages
        if self._run:
            first, sent_at, t1 = self._run
            spans = [*spans, OutageSpan(self._walked - first + 1, done_at - sent_at, t1, first)]
        outages = sorted(heapq.nlargest(MOST_OUTAGES, spans), key=lambda span: span.first)
        return Course(
            *(self._last, self._unanswered, self.settled, done_at, ended_by, interval, tuple(outages)),
            limited_to=self._throttle.interval,
        )

    def finished(self, now: int) -> bool:
        """Nothing more will be sent or waited for."""
        if self._over:
            return True
        if not self._all_sent(now) or self._waiting():
            return False
        self._done_at = self._done_at or now
        return now >= self._tail()

    def stop(self, now: int) -> None:
        """Send nothing more; what is outstanding is still waited for."""
        if not self._all_sent(now):
            self._ended = "interrupted"

    def end(self, reason: str) -> None:
        """End now; what is outstanding stays so."""
        self._over, self._ended = True, reason

    def forget(self) -> None:
        """Give the memory back: nothing comes any more."""
        self._allocate(self._last + 1)

    def next_deadline(self, now: int) -> int | None:
        """When to call `timed_out` and `due` next, None = when a reply arrives or never."""
        times = []
        if not self._all_sent(now):
            times.append(self._next_due(now))
            if self._ends is not None:
                times.append(self._ends)
        elif not self._waiting():
            times.append(self._tail())
        if self._waiting():
            times.append(self._left_by[self._oldest()] + self._plan.timeout)
        return min((when for when in times if when is not None), default=None)

    def overdue(self, now: int) -> bool:
        """Whether a request's timeout has passed: read what has come before it is called lost."""
        at = self._oldest()
        return at < len(self._left_by) and self._left_by[at] + self._plan.timeout <= now

    def _oldest(self) -> int:
        """The place of the first request that a reply in time may come to."""
        return (self._expired if self._plan.group else self.settled) + 1 - self._base

    def due(self, now: int) -> range:
        """Numbers of the requests to send now; tell `left` of them."""
        first = self._last + 1
        if self._next_send <= now or self._plan.window:
            self._last += self._due(now)
        return range(first, self._last + 1)

    def _due(self, now: int) -> int:
        """How many requests are due; their times are over."""
        interval, most, catch_up = self._plan.interval, BURST, CATCH_UP
        if self._plan.window:
            interval, most, catch_up = self._throttle.interval, self._flood_due(now), FLOOD_CATCH_UP
        most = min(most, self._plan.count - self._last) if self._plan.count else most
        if most <= 0 or self._next_send > now or self._all_sent(now):
            return 0
        following = max(self._next_send + interval, now - catch_up)
        if interval:
            most = min(most, max((now - following) // interval + 1, 0) + 1)
        self._next_send = following + (most - 1) * interval
        return most

    def _flood_due(self, now: int) -> int:
        """How many requests of a flood may leave now, if its pace permits."""
        when = self._next_due(now)
        if when is None or when > now:
            return 0
        room = self._plan.window - self._unanswered + len(self._throttle.excused)
        if room <= 0:
            self._throttle.nudges += 1
        if not self._throttle.interval:
            self._next_send = now
        return 1 if self._pause else min(max(room, 1), BURST)

    def left(self, before: int, after: int, t1: Sequence[int], refused: Collection[int] = ()) -> None:
        """The requests that were due left between these times, with these t1; those at `refused` places did not.

        Who is refused is lost at once. A flood then pauses before its next attempt, longer each time.
        """
        places, start = len(t1), len(self._fates)
        self._pace = (self._pace[0] if start or self._base > 1 else before, before)
        self._fates.extend(bytes(places))
        self._sent_at.extend([before] * places)
        self._left_by.extend([after] * places)
        self._t1.extend(t1)
        for column in (self._stamps, self._hardware_stamps):
            if column:
                column.extend([0] * places)
        self._unanswered += places - len(refused)
        for place in refused:
            self._fates[start + place] = REFUSED
        self._pause = min(max(2 * self._pause, SHORTEST_PAUSE), LONGEST_PAUSE) if refused else 0
        self._paused_until = after + self._pause

    def stamped(self, number: int, stamp: int, hardware_stamp: int = 0) -> None:
        """A request's transmit stamp by the kernel or the NIC came, 0 = not this one; of two, the first counts."""
        at = number - self._base
        if not 0 <= at < len(self._fates):
            return
        for column, value in ((self._stamps, stamp), (self._hardware_stamps, hardware_stamp)):
            if value:
                if not column:
                    column.frombytes(bytes(8 * len(self._fates)))
                column[at] = column[at] or value

    def hardware_stamp(self, number: int) -> int:
        """A request's transmit stamp by the NIC; 0 where it has not come, or the request is forgotten."""
        at = number - self._base
        return self._hardware_stamps[at] if 0 <= at < len(self._hardware_stamps) else 0

    def t1(self, number: int) -> int:
        """What a request was sent with; 0 where that is forgotten."""
        at = number - self._base
        return self._t1[at] if 0 <= at < len(self._t1) else 0

    def nearest(self, seq: int) -> int:
        """The number with this seq that is nearest to the last one sent."""
        ahead = seq - self._last & _SEQ_MASK
        return self._last + (ahead if ahead <= _SEQ_MASK // 2 else ahead - _SEQ_MASK - 1)

    def timed_out(self, read_until: int) -> list[int]:
        """Numbers of the requests that are lost, where all that came until then has been read."""
        if not self.overdue(read_until):
            return []
        start = self._oldest()
        end = bisect_right(self._left_by, read_until - self._plan.timeout, start)
        lost, fates = [], self._fates
        at = fates.find(PENDING, start, end)
        while at >= 0:
            fates[at] = LOST
            lost.append(self._base + at)
            at = fates.find(PENDING, at + 1, end)
        self._throttle.excused.difference_update(lost)
        if self._plan.group:
            for number in range(self._expired + 1, self._base + end):
                self._answered_by.pop(number, None)
            self._expired = self._base + end - 1
        self._unanswered -= len(lost)
        return lost

    def arrived(self, seq: int, responder: bytes, now: int, received_at: int = 0) -> Match | None:
        """A reply was read now; None where no such request was sent. `received_at` is the kernel's stamp.

        Whether it came in time is a matter of when it came, not of when it was read.
        """
        number = self._last - (self._last - seq & _SEQ_MASK)
        at = number - self._base
        if at < 0:
            return self._forgotten(number)
        fate, rtt, t1 = self._fates[at], now - self._sent_at[at], self._t1[at]
        stamp = self._stamps[at] if self._stamps else 0
        hardware_stamp = self._hardware_stamps[at] if self._hardware_stamps else 0
        timeout = self._plan.timeout
        late = rtt >= timeout and not 0 <= received_at - (stamp or t1) < timeout
        if fate != PENDING:
            return self._further(number, responder, late, rtt, (t1, stamp, hardware_stamp))
        self._fates[at] = LATE if late else ANSWERED
        self._unanswered -= 1
        self._throttle.excused.discard(number)
        if late:
            return Match(_LATE, number, rtt, False, True, t1, stamp, hardware_stamp, True)
        self._last_reply = now, rtt
        self._throttle.nudges = 0
        if self._plan.group:
            self._answered_by[number] = {responder}
        reordered = self._reordered(number, responder)
        return Match(_REPLY, number, rtt, reordered, True, t1, stamp, hardware_stamp)

    def _further(
        self, number: int, responder: bytes, late: bool, rtt: int, stamps: tuple[int, int, int]
    ) -> Match | None:
        """A reply to a request that is answered or lost, of which t1 and stamps are known."""
        at = number - self._base
        fate = self._fates[at]
        if fate == REFUSED:
            return None
        if fate == LOST:
            self._fates[at] = LATE
            return Match(_LATE, number, rtt, False, True, *stamps)
        if not self._plan.group or not self._is_new(number, responder):
            return Match(_DUPLICATE, number, rtt, False, False, *stamps)
        if late or fate == LATE or number <= self._expired:
            return Match(_LATE, number, rtt, False, False, *stamps)
        return Match(_REPLY, number, rtt, self._reordered(number, responder), False, *stamps)

    def left_unanswered(self, number: int, window: int, now: int) -> None:
        """For a flood: a reply's window says which requests had come. Those without an answer are not waited for.

        They will not get one: the responder's limit is exceeded, or their replies are lost.
        """
        at, found = number - self._base, False
        end = at - OVERTAKING
        place = self._fates.find(PENDING, max(at - 63, 0), max(end, 0))
        while place >= 0:
            if window >> at - place & 1 and self._base + place not in self._throttle.excused:
                self._throttle.excused.add(self._base + place)
                found = True
            place = self._fates.find(PENDING, place + 1, end)
        self._throttle.replied(now, found)

    def _forgotten(self, number: int) -> Match | None:
        """A reply to a request that is no longer known, if there was one."""
        if number < 1:
            return None
        return Match(_LATE if self._plan.group else _DUPLICATE, number, 0, False, False)

    def _is_new(self, number: int, responder: bytes) -> bool:
        """Whether a member of the group had not answered this request; who is slow is never known."""
        answered_by = self._answered_by.get(number)
        if answered_by is None:
            return True
        if responder in answered_by:
            return False
        if len(answered_by) < MOST_RESPONDERS:
            answered_by.add(responder)
        return True

    def _reordered(self, number: int, responder: bytes) -> bool:
        """RFC 4737, section 3: below the next expected number."""
        highest = self._highest.get(responder, 0)
        if number < highest:
            return True
        if highest or len(self._highest) < MOST_RESPONDERS:
            self._highest[responder] = number
        return False

    def settle(self) -> None:
        """Account for the requests whose fate is known by now, and forget the oldest of them."""
        settled, fates = self.settled, self._fates
        end = settled + 1 - self._base
        at = self._walked + 1 - self._base
        while at < end:
            if self._run is None:
                found = _UNANSWERED.search(fates, at, end)
                if not found:
                    break
                at = found.start()
                self._run = self._base + at, self._sent_at[at], self._t1[at]
            at = fates.find(ANSWERED, at, end)
            if at < 0:
                break
            self._end_run(*self._run, at)
        self._walked = settled
        if len(fates) >= 2 * KEPT:
            self._trim(KEPT)

    def _end_run(self, first: int, sent_at: int, t1: int, at: int) -> None:
        """The request at this place was answered: the run of lost ones before it is over."""
        waited, by_clock = self._sent_at[at] - sent_at, self._t1[at] - t1
        duration = by_clock if abs(by_clock - waited) < MOST_STEPPED else waited
        heapq.heappush(self._outages, OutageSpan(self._base + at - first, max(duration, 0), t1, first))
        if len(self._outages) > MOST_OUTAGES:
            heapq.heappop(self._outages)
        self._run = None

    def _trim(self, kept: int) -> None:
        """Forget the oldest requests whose fate is known, all but so many."""
        oldest = self._expired if self._plan.group else self._walked
        cut = max(min(oldest + 1 - self._base, len(self._fates) - kept), 0)
        for column in (self._fates, self._sent_at, self._left_by, self._t1, self._stamps, self._hardware_stamps):
            del column[:cut]
        self._base += cut

    def _waiting(self) -> bool:
        """Whether a reply in time may come: in a group others may answer until the last timeout."""
        return self._expired < self._last if self._plan.group else self._unanswered > 0

    def _tail(self) -> int:
        """Until then copies of the last reply are waited for."""
        when, rtt = self._last_reply
        if not rtt or self._plan.group:
            return 0
        return when + min(max(2 * rtt, SHORTEST_TAIL), LONGEST_TAIL, self._plan.timeout)

    def _next_due(self, now: int) -> int | None:
        """When the next request may leave; None = when a reply has come."""
        if not self._plan.window:
            return self._next_send
        if len(self._fates) >= MOST_UNSETTLED:
            return None
        if self._unanswered - len(self._throttle.excused) < self._plan.window:
            paced = self._next_send if self._throttle.interval else 0
            return max(now, paced, self._paused_until if self._pause else 0)
        replied_at, rtt = self._last_reply
        if not rtt:
            return None
        # All may have exceeded a limit: one more brings a reply, whose window tells.
        patience = min(max(4 * rtt, SHORTEST_TAIL) << min(self._throttle.nudges, 4), LONGEST_PAUSE)
        return max(replied_at, self._pace[1]) + patience

    def _enough(self) -> bool:
        return bool(self._plan.count) and self._last >= self._plan.count

    def _all_sent(self, now: int) -> bool:
        return bool(self._ended) or self._enough() or (self._ends is not None and now >= self._ends)
