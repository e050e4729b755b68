"""What a listener counts, and how many requests each session has sent it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from rawechod.reasons import DropReason
from rawechod.wire import echo

MOST_SESSIONS = 4096
"""Sessions whose requests are counted."""
_SEQ_MASK = 0xFFFFFFFF
_WINDOW_MASK = (1 << echo.WINDOW_BITS) - 1


@dataclass(frozen=True, slots=True)
class CounterValues:
    """A listener's counters at one moment, since it was configured."""

    received: int
    """Those replied and those dropped."""
    replied: int
    dropped: dict[str, int]
    transmit_errors: dict[str, int]
    probe_replies: int
    """Replies to this host's own probes, which the listener heard beside them; counted nowhere else."""


class Counters:
    """Frames received, replied and dropped, each drop under its reason."""

    def __init__(self) -> None:
        self.received = 0
        self.replied = 0
        self.kernel_drops = 0
        """Frames that found a receive buffer full; the low 16 bits stand in each reply."""
        self._dropped: Counter[DropReason] = Counter()
        self._transmit_errors: Counter[str] = Counter()

    def drop(self, reason: DropReason, frames: int = 1) -> None:
        """Count frames that are not answered."""
        self._dropped[reason] += frames

    def transmit_error(self, errno_name: str, frames: int = 1) -> None:
        """Count replies that the kernel refused."""
        self.drop(DropReason.TRANSMIT_ERROR, frames)
        self._transmit_errors[errno_name] += frames

    def values(self) -> CounterValues:
        """A copy for those who ask; only reasons that happened are in it."""
        dropped = {reason.value: self._dropped[reason] for reason in DropReason if self._dropped[reason]}
        heard = dropped.pop(DropReason.PROBE_REPLY.value, 0)
        return CounterValues(self.received - heard, self.replied, dropped, dict(self._transmit_errors), heard)


class SessionState(NamedTuple):
    """A session as one owner hands it to the next: `struct re_session` of reflect.h, and whose it is."""

    peer: bytes
    number: int
    last: int
    """When its last request came, monotonic, nanoseconds."""
    received: int
    recent: int
    """Bit i says whether request highest - i has been received; Session.HISTORY bits."""
    highest: int
    jump: int | None = None


class Session:
    """Which requests of a session have been received: how many, and which of the last HISTORY.

    A request that is further ahead than that is believed only once another one follows it closely: a number that
    was corrupted on the way must not make the rest look old. Of one that is further behind nobody can say whether
    it came before: it counts, and has no window.
    """

    HISTORY = 2 * echo.WINDOW_BITS
    FARTHEST = 1 << 20
    """So far behind a request may be."""

    __slots__ = ("count", "highest", "jump", "last", "recent")

    def __init__(self, seq: int, now: int) -> None:
        """With its first request, at `now` (monotonic, nanoseconds)."""
        self.highest, self.recent, self.count, self.last = seq, 1, 1, now
        self.jump: int | None = None
        """The last request that was too far ahead."""

    @classmethod
    def restored(cls, state: SessionState) -> Session:
        """One that goes on where its former owner left it."""
        session = cls(state.highest, state.last)
        session.recent, session.count, session.jump = state.recent, state.received, state.jump
        return session

    def receive(self, seq: int, now: int) -> tuple[int, int]:
        """Record a request: responder_seq and window of its reply, both 0 where it finds no place."""
        self.last = now
        ahead = seq - self.highest & _SEQ_MASK
        if ahead < self.HISTORY:
            return self._advance(seq, ahead)
        behind = _SEQ_MASK + 1 - ahead
        if behind < self.HISTORY:
            return self._fill(behind)
        if self.jump is not None and 0 < (step := seq - self.jump & _SEQ_MASK) < echo.WINDOW_BITS:
            self.highest, self.recent, self.jump = self.jump, 1, None
            self.count += 1
            return self._advance(seq, step)
        if self.count > 1 and behind <= self.FARTHEST:
            self.count += 1
            return self._responder_seq, 0
        self.jump = seq
        return 0, 0

    def _advance(self, seq: int, ahead: int) -> tuple[int, int]:
        if ahead:
            self.highest, self.count = seq, self.count + 1
            self.recent = (self.recent << ahead | 1) & (1 << self.HISTORY) - 1
        return self._responder_seq, self.recent & _WINDOW_MASK

    def _fill(self, behind: int) -> tuple[int, int]:
        self.count += not self.recent >> behind & 1
        self.recent |= 1 << behind
        # Where the history ends within the window, that would say "not received" of what was forgotten.
        window = self.recent >> behind & _WINDOW_MASK if behind <= self.HISTORY - echo.WINDOW_BITS else 0
        return self._responder_seq, window

    @property
    def _responder_seq(self) -> int:
        return (self.count - 1) % echo.MOST_RESPONDER_SEQ + 1


class SessionTable:
    """The sessions of all peers, in bounded memory.

    A full table forgets only sessions that have been silent for a minute. Where there is none, a new
    session is not kept and reads 0, "not kept": a count that restarted would look like forward loss.
    """

    SILENCE = 60_000_000_000
    """Nanoseconds after which a session may be forgotten."""

    def __init__(self, capacity: int = MOST_SESSIONS) -> None:
        self._capacity = capacity
        self._sessions: OrderedDict[tuple[bytes, int], Session] = OrderedDict()

    def receive(self, peer: bytes, session: int, seq: int, now: int) -> tuple[int, int]:
        """Record a request at `now` (monotonic, nanoseconds): responder_seq and window, 0 = not kept."""
        key = (peer, session)
        found = self._sessions.get(key)
        if found:
            self._sessions.move_to_end(key)
            return found.receive(seq, now)
        if not self._has_room(now):
            return 0, 0
        self._sessions[key] = Session(seq, now)
        return 1, 1

    def export(self) -> list[SessionState]:
        """Hand over every session: none is left, for each has one owner."""
        sessions, self._sessions = self._sessions, OrderedDict()
        return [
            SessionState(*key, one.last, one.count, one.recent, one.highest, one.jump)
            for key, one in sessions.items()
        ]

    def import_(self, sessions: Iterable[SessionState]) -> None:
        """Go on with sessions of a former owner; of two that are the same, with the one that was used last."""
        for state in sorted(sessions, key=lambda each: each.last):
            key = state.peer, state.number
            if key in self._sessions:
                if self._sessions[key].last >= state.last:
                    continue
            elif not self._has_room(state.last):
                continue
            self._sessions[key] = Session.restored(state)
            self._sessions.move_to_end(key)

    def _has_room(self, now: int) -> bool:
        if len(self._sessions) < self._capacity:
            return True
        oldest = next(iter(self._sessions.values()))
        if now - oldest.last < self.SILENCE:
            return False
        self._sessions.popitem(last=False)
        return True
