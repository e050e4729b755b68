"""Which way requests were lost. PURE.

A reply's window says which of the 64 requests up to its own had come to the responder when it was made. So each
request without a reply has its direction by proof: it came, and its reply was lost, or it did not come. Numbers
that no window covers are judged by responder_seq, all together. What neither shows is undetermined.

The responder's fields have no checksum of their own, so a reply is believed where its window and its count agree
with those of the last believed one: the count has grown by the bits that are new. One that does not agree waits
for the next to confirm it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from rawechod.wire import echo

BITS = echo.WINDOW_BITS
_WINDOW = (1 << BITS) - 1
_HALF = echo.MOST_RESPONDER_SEQ // 2
MOST_KEPT = 65_536
"""Requests without a reply that are remembered one by one, of those that came and of those that did not."""
CERTAIN = 8
"""So many replies in a row that agree with each other, and contradict the last believed one, outweigh it."""
MARGIN = 4
"""By so many times the farthest that a request was overtaken another one may still be."""
MOST_RUNS = 4096
"""Runs of consecutive numbers."""


class Directions(NamedTuple):
    """How the lost requests without a late reply divide."""

    forward: int
    """Lost on the way there."""
    backward: int
    """Their replies were lost on the way back, or never sent: a limited responder."""
    responder: int
    """Dropped by the responder's receive buffer; no more than it says."""
    here: int
    """Refused by this host's kernel, or their replies dropped by the probe's receive buffer."""
    undetermined: int


class Snapshot(NamedTuple):
    """What a reply says of its session."""

    number: int
    """Of its request."""
    received: int
    """responder_seq."""
    window: int
    dropped: int = 0


NOTHING = Snapshot(0, 0, 0)
"""Before the first request."""


class Runs:
    """Numbers as runs of consecutive ones, in order, in bounded memory."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.forgotten = 0
        """Numbers that found no room any more."""

    def add(self, first: int, last: int) -> None:
        """Add the numbers from `first` to `last`; those below the largest one so far cost more."""
        place = bisect_right(self._firsts, first)
        if place and self._lasts[place - 1] == first - 1:
            self._lasts[place - 1] = last
        elif len(self._firsts) < MOST_RUNS:
            self._firsts.insert(place, first)
            self._lasts.insert(place, last)
        else:
            self.forgotten += last - first + 1

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._firsts, number)
        return place > 0 and number <= self._lasts[place - 1]

    def up_to(self, number: int) -> int:
        """How many are at most this one."""
        pairs = zip(self._firsts, self._lasts, strict=True)
        return sum(min(last, number) - first + 1 for first, last in pairs if first <= number)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def pop(self, number: int) -> list[tuple[int, int]]:
        """Remove the numbers up to this one: their runs."""
        popped: list[tuple[int, int]] = []
        while self._firsts and self._firsts[0] <= number:
            first, last = self._firsts[0], self._lasts[0]
            popped.append((first, min(last, number)))
            if last > number:
                self._firsts[0] = number + 1
                break
            del self._firsts[0], self._lasts[0]
        return popped


class _Numbers(dict[int, None]):
    """A set in order of arrival; what finds no room any more is only counted."""

    forgotten = 0

    def add(self, number: int) -> None:
        self[number] = None
        if len(self) > MOST_KEPT:
            del self[next(iter(self))]
            self.forgotten += 1

    def below(self, end: int) -> int:
        """How many are smaller than this."""
        return self.forgotten + sum(number < end for number in self)


@dataclass(slots=True)
class _Gap:
    """Consecutive requests that no window covers."""

    first: int
    last: int
    came: int | None
    """So many of them, by the responder's counts; None where these can't be compared."""
    older: int = 0
    """So many of these may have been older ones, where requests are overtaken."""
    answered: int = 0
    refused: int = 0

    def judge(self, overtaken: bool) -> tuple[int, int, int]:
        """Of those that are lost, how many came, and how many did not; how many others have come meanwhile."""
        lost = self.last - self.first + 1 - self.answered - self.refused
        if self.came is None:
            return 0, 0, 0
        came = self.came - self.answered
        most = min(max(came, 0), lost)
        least = min(max(came - self.older * overtaken, 0), lost)
        return least, lost - most, max(came - lost, 0)


class _Dropped:
    """How many frames the responder dropped over the run; a change is believed when the next reply confirms it."""

    def __init__(self) -> None:
        self.total = 0
        self.pending = 0
        """By which it has grown as the last reply alone says."""
        self._last: int | None = None

    def record(self, dropped: int) -> None:
        if dropped == self._last and not self.pending:
            return
        if self._last is None:
            self._last = dropped
            return
        grown = dropped - self._last & 0xFFFF
        if grown > 0x7FFF:
            if self.pending == grown:
                self._last, self.pending = dropped, 0  # It was started anew.
            else:
                self.pending = grown
        elif 0 < self.pending <= grown:
            self.total += self.pending
            self._last, self.pending = self._last + self.pending & 0xFFFF, grown - self.pending
        else:
            self.pending = grown

    @property
    def unconfirmed(self) -> int:
        return self.pending if self.pending <= 0x7FFF else 0


@dataclass(slots=True)
class Losses:
    """Losses of one session with one responder; numbers are those of the requests, 1, 2, 3, ..."""

    _last: Snapshot = NOTHING
    """The last believed one."""
    _next: int = 1
    """The fast path: the next number in order, what its reply says, and how many such have come since `_last`."""
    _expected: tuple[int, int, int] = (1, 1, 0)
    _in_order: int = 0
    _doubted: Snapshot | None = None
    _confirmed: int = 0
    """By so many replies since."""
    _settled: int = _WINDOW
    """Bit i: request `_last.number - i` was answered, or never left."""
    _answered: Runs = field(default_factory=Runs)
    """Ahead of the last believed reply."""
    _refused: Runs = field(default_factory=Runs)
    """Likewise."""
    _came: _Numbers = field(default_factory=_Numbers)
    """Behind its window and without a reply, by the windows."""
    _missing: _Numbers = field(default_factory=_Numbers)
    """Likewise, but they had not come."""
    _gaps: list[_Gap] = field(default_factory=list)
    _unexplained: int = 0
    """Requests that came, by the counts, and are none of those that were known to be missing."""
    _since: int = 0
    """Answered requests that came after the last believed reply was made, and had not come before."""
    _filled: int = 0
    """Of those the ones that windows still cover."""
    _refusals: int = 0
    _overtaken: int = 0
    """By how many others a request was overtaken at most on the way there."""
    _phantoms: set[int] = field(default_factory=set)
    _dropped: _Dropped = field(default_factory=_Dropped)
    _lost_before: int = 0
    """Requests that had not come when the first believed reply was made."""
    _dropped_before: int = 0
    """What it said."""

    def refused(self, number: int) -> None:
        """A request never left this machine."""
        self._refusals += 1
        self._refused.add(number, number)
        self._catch_up()
        self._next = 0

    def heard(self, number: int, first: bool, evidence: tuple[int, int, int] | None) -> None:
        """A reply came; `first`: the first one to this request, in time or late.

        `evidence` is responder_seq, window and dropped of one that is intact.
        """
        if number == self._next and evidence == self._expected:
            # Nothing has happened but the next request and its reply: nearly always.
            self._in_order += 1
            count, window, dropped = evidence
            self._next = number + 1
            self._expected = (count + 1, (window << 1 | 1) & _WINDOW, dropped)
            return
        self._catch_up()
        if number <= self._last.number:
            if first:
                self._settle(number, evidence is not None)
        else:
            if evidence and evidence[0] and evidence[1] & 1:
                self._weigh(Snapshot(number, *evidence))
            if first and number > self._last.number:
                self._answered.add(number, number)
        self._expect()

    def _catch_up(self) -> None:
        """Take account of the replies in order."""
        if self._in_order:
            number, count, window, dropped = self._last
            steps, self._in_order = self._in_order, 0
            ones = (1 << min(steps, BITS)) - 1
            self._settled = (self._settled << steps | ones) & _WINDOW if steps < BITS else _WINDOW
            window = (window << steps | ones) & _WINDOW if steps < BITS else _WINDOW
            self._last = Snapshot(number + steps, count + steps, window, dropped)

    def _expect(self) -> None:
        """What the next reply says if nothing happens; none where something else is under way."""
        number, count, window, dropped = self._last
        busy = self._doubted or self._answered or self._refused or self._dropped.pending
        if busy or self._settled != _WINDOW:
            self._next = 0
            return
        self._next = number + 1
        self._expected = (count + 1, (window << 1 | 1) & _WINDOW, dropped)

    def unsent(self, number: int) -> None:
        """A reply to a request that has not been sent: a number was corrupted on the way there.

        What the windows will say of the true one proves nothing.
        """
        if len(self._phantoms) < MOST_RUNS:
            self._phantoms.add(number)

    def split(self, lost: int, late: int, end: int, dropped_here: int) -> Directions:
        """How `lost` requests divide, `late` of which got a reply after all.

        `end`: from this number on requests still wait for their replies. `dropped_here`: frames that the probe's
        own receive buffer dropped.
        """
        self._catch_up()
        doubted = self._doubted
        if doubted and doubted.number - self._last.number > BITS and _may_follow(self._last, doubted):
            self._believe(doubted)  # Nothing will confirm it any more.
        came, missing = self._open(end)
        unexplained = max(self._unexplained, 0)
        for gap in self._gaps:
            if gap.last < end:
                more, fewer, others = gap.judge(self._overtaken > 0)
                came, missing, unexplained = came + more, missing + fewer, unexplained + others
        # Some may have come behind the last window that said they had not.
        missing -= min(unexplained, missing)
        before = min(self._lost_before, self._dropped_before, missing)
        known = lost - late - self._refusals
        backward = min(came, known)
        forward = min(missing - before, known - backward)
        rest = known - backward - forward
        responder, rest_responder = _shared(self._dropped.total, forward, rest)
        here, rest_here = _shared(dropped_here, backward, rest - rest_responder)
        unconfirmed = min(self._dropped.unconfirmed, forward - responder)
        return Directions(
            forward=forward - responder - unconfirmed,
            backward=backward - here,
            responder=responder + rest_responder,
            here=self._refusals + here + rest_here,
            undetermined=rest - rest_responder - rest_here + unconfirmed,
        )

    def _settle(self, number: int, intact: bool) -> None:
        """A request up to the last believed reply's is answered; if altered, it need not have been counted."""
        behind = self._last.number - number
        if number in self._missing:
            self._overtaken = max(self._overtaken, behind)
            self._since += intact
            del self._missing[number]
        elif number in self._came:
            del self._came[number]
        elif behind < BITS:
            if not self._last.window >> behind & 1:
                self._overtaken = max(self._overtaken, behind)
                self._since += intact
                self._filled += intact
            self._settled |= 1 << behind
        elif gap := self._gap(number):
            gap.answered += 1

    def _gap(self, number: int) -> _Gap | None:
        """The one that this request is in."""
        place = bisect_right(self._gaps, number, key=lambda gap: gap.first)
        return self._gaps[place - 1] if place and number <= self._gaps[place - 1].last else None

    def _weigh(self, reply: Snapshot) -> None:
        """Believe a reply at once, or when the next ones confirm it."""
        last, doubted = self._last, self._doubted
        if _agree(last, reply):
            self._doubted = None
            self._believe(reply)
        elif _is_older(last, reply) or (doubted and (reply.number <= doubted.number or _is_older(doubted, reply))):
            pass  # It was overtaken on the way back: there is later news.
        elif doubted and _agree(doubted, reply):
            self._confirmed += 1
            if _may_follow(last, doubted) or self._confirmed >= CERTAIN:
                self._doubted = None
                self._believe(_confirmed(last, doubted, reply))
                self._believe(reply)
            else:
                self._doubted = reply
        else:
            if doubted and _may_follow(last, doubted) and _may_follow(doubted, reply):
                self._believe(_confirmed(last, doubted, reply))
            self._doubted, self._confirmed = reply, 0

    def _believe(self, reply: Snapshot) -> None:
        last, ahead = self._last, reply.number - self._last.number
        if ahead <= 0:
            return
        excess = _excess(last, reply)
        older = (~self._settled & ~last.window & _WINDOW).bit_count()
        self._leave(BITS if excess is None else min(ahead, BITS))
        self._settled = self._settled << ahead & _WINDOW if ahead < BITS else 0
        if ahead > BITS and len(self._gaps) < MOST_RUNS:
            came = None if excess is None else max(excess - self._since, 0)
            self._gaps.append(_Gap(last.number + 1, reply.number - BITS, came, older))
        if excess is None:  # It was started anew: of what came before it knows nothing.
            self._settled |= ~reply.window & _WINDOW | (_WINDOW << ahead & _WINDOW)
        elif ahead <= BITS:
            self._compare(reply, ahead, excess)
        if not last.number:
            self._dropped_before, self._lost_before = reply.dropped, max(reply.number - reply.received, 0)
        self._settle_ahead(reply.number)
        self._settled |= 1
        self._since = self._filled = 0
        self._dropped.record(reply.dropped)
        self._last = reply

    def _compare(self, reply: Snapshot, ahead: int, excess: int) -> None:
        """What has come since the last believed reply was made."""
        self._unexplained += excess - (self._since - self._filled)
        gap = self._gaps[-1] if self._gaps else None
        if excess < 0 and gap and gap.last == self._last.number - BITS and gap.came:
            gap.came = max(gap.came + excess, 0)
            self._unexplained -= excess
        filled = reply.window & ~(self._last.window << ahead) & ~((1 << ahead) - 1)
        if filled:  # By requests that others had overtaken.
            self._overtaken = max(self._overtaken, filled.bit_length() - 1)

    def _settle_ahead(self, number: int) -> None:
        """Requests up to this one were answered or refused before a reply to a later one was believed."""
        for runs, refused in ((self._answered, False), (self._refused, True)):
            for first, final in runs.pop(number):
                covered = max(first, number - BITS + 1)
                if covered <= final:
                    self._settled |= (1 << final - covered + 1) - 1 << number - final
                count = max(min(final, covered - 1) - first + 1, 0)
                if count and (gap := self._gap(first)):
                    gap.refused += count * refused
                    gap.answered += count * (not refused)

    def _leave(self, count: int) -> None:
        """The oldest so many requests leave the window: remember those without a reply."""
        window, number = self._last.window, self._last.number
        unsettled = ~self._settled & _WINDOW & ~(_WINDOW >> count)
        while unsettled:
            place = unsettled.bit_length() - 1
            unsettled ^= 1 << place
            if number - place in self._phantoms:
                continue
            (self._came if window >> place & 1 else self._missing).add(number - place)

    def _open(self, end: int) -> tuple[int, int]:
        """Requests before `end` without a reply: those that came, and those that did not and will not any more."""
        last = self._last
        came, missing = self._came.below(end), self._missing.below(end)
        for place in range(BITS):
            number = last.number - place
            if self._settled >> place & 1 or number >= end or number in self._phantoms:
                continue
            if last.window >> place & 1:
                came += 1
            elif place > MARGIN * self._overtaken:
                missing += 1
        return came, missing


def _excess(before: Snapshot, after: Snapshot) -> int | None:
    """By how much a later reply's count has grown more than the bits that are new in its window tell.

    Less than nothing where the earlier one had counted requests ahead of its own, which had been overtaken. None
    where the two contradict each other: what had come has not, or the count fell.
    """
    ahead = after.number - before.number
    known = before.window << ahead & _WINDOW if ahead < BITS else 0
    grown = (after.received - before.received) % echo.MOST_RESPONDER_SEQ
    return None if known & ~after.window or grown > _HALF else grown - (after.window & ~known).bit_count()


def _is_older(before: Snapshot, reply: Snapshot) -> bool:
    """Whether a reply to a later request was made before: its request had overtaken the other."""
    behind = (before.received - reply.received) % echo.MOST_RESPONDER_SEQ
    return reply.number - before.number < BITS and 0 < behind < BITS


def _agree(before: Snapshot, after: Snapshot) -> bool:
    """Whether the count has grown by the bits that are new, and no number was skipped."""
    return after.number - before.number <= BITS and _excess(before, after) == 0


def _may_follow(before: Snapshot, after: Snapshot) -> bool:
    """Whether the skipped numbers, and a few that were overtaken, can make up for the difference."""
    excess, room = _excess(before, after), max(after.number - before.number - BITS, 0)
    return excess is not None and -BITS <= excess <= room + BITS


def _confirmed(before: Snapshot, doubted: Snapshot, after: Snapshot) -> Snapshot:
    """A reply whose window shows more than its count: what it says of older requests only if the next one does."""
    ahead, step = doubted.number - before.number, after.number - doubted.number
    if ahead >= BITS or (_excess(before, doubted) or 0) >= 0:
        return doubted
    known, low = before.window << ahead & _WINDOW, (1 << ahead) - 1
    return doubted._replace(window=doubted.window & (known | low | after.window >> step))


def _shared(dropped: int, likely: int, possible: int) -> tuple[int, int]:
    """How many of the losses that a host's drops explain first, and of the others, they do explain."""
    first = min(dropped, likely)
    return first, min(dropped - first, possible)
