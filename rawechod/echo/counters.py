"""What a listener counts, and how many requests each session has sent it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from rawechod.reasons import DropReason
from rawechod.wire import echo

MOST_SESSIONS = 4096
"""Sessions whose requests are counted."""


@dataclass(frozen=True, slots=True)
class CounterValues:
    """A listener's counters at one moment, since it was configured."""

    received: int
    replied: int
    dropped: dict[str, int]
    transmit_errors: dict[str, int]


class Counters:
    """Frames received, replied and dropped, each drop under its reason."""

    def __init__(self) -> None:
        self.received = 0
        self.replied = 0
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
        return CounterValues(self.received, self.replied, dropped, dict(self._transmit_errors))


class SessionTable:
    """Requests received a session, for `responder_seq`; bounded.

    A full table forgets only sessions that have been silent for a minute. Where there is none, a new
    session is not kept and reads 0, "not kept": a count that restarted would look like forward loss.
    """

    SILENCE = 60_000_000_000
    """Nanoseconds after which a session may be forgotten."""

    def __init__(self, capacity: int = MOST_SESSIONS) -> None:
        self._capacity = capacity
        self._sessions: OrderedDict[tuple[bytes, int], tuple[int, int]] = OrderedDict()

    def count(self, peer: bytes, session: int, now: int) -> int:
        """Count one request at `now` (monotonic, nanoseconds); the session's total, 0 = not kept."""
        key = (peer, session)
        count, _ = self._sessions.get(key, (0, 0))
        if count == 0 and not self._has_room(now):
            return 0
        self._sessions[key] = (count % echo.MOST_RESPONDER_SEQ + 1, now)
        self._sessions.move_to_end(key)
        return self._sessions[key][0]

    def _has_room(self, now: int) -> bool:
        if len(self._sessions) < self._capacity:
            return True
        _, last = next(iter(self._sessions.values()))
        if now - last < self.SILENCE:
            return False
        self._sessions.popitem(last=False)
        return True
