"""Which way requests were lost, and how many in a row.

The responder counts the requests of a session that reach it (`responder_seq`). When its reply to request n
says r, then n - r of the requests up to n did not get there; what else is missing of them was lost on the way
back.
"""

from __future__ import annotations

from collections import deque

from rawechod.wire import echo


class _Runs:
    """Numbers that only grow, kept as runs of consecutive ones."""

    def __init__(self) -> None:
        self._runs: deque[tuple[int, int]] = deque()

    def __bool__(self) -> bool:
        return bool(self._runs)

    def append(self, number: int) -> None:
        """Add one."""
        if self._runs and self._runs[-1][1] == number - 1:
            self._runs[-1] = (self._runs[-1][0], number)
        else:
            self._runs.append((number, number))

    def take(self, up_to: int) -> int:
        """Remove the numbers up to this one: how many they were."""
        taken = 0
        while self._runs and self._runs[0][0] <= up_to:
            first, last = self._runs.popleft()
            taken += min(last, up_to) - first + 1
            if last > up_to:
                self._runs.appendleft((up_to + 1, last))
        return taken


class Losses:
    """Losses of one session with one responder; numbers are those of the requests, 1, 2, 3, ..."""

    def __init__(self) -> None:
        self.longest_run = 0
        self._run = 0
        self._last_lost = 0
        self._lost, self._refused = _Runs(), _Runs()
        """Behind the last reply that was heard."""
        self._lost_before = self._refused_before = 0
        """Up to that reply."""
        self._heard = self._counted = 0
        self._known = True

    def lost(self, number: int) -> None:
        """A request timed out; they come in order."""
        self._extend_run(number)
        if number <= self._heard:
            self._lost_before += 1
        else:
            self._lost.append(number)

    def refused(self, number: int) -> None:
        """A request never left this machine: no direction."""
        self._extend_run(number)
        self._refused.append(number)

    def heard(self, number: int, responder_seq: int) -> None:
        """A reply said how many requests its sender has received."""
        if number <= self._heard:
            return
        # 0: it does not count. Fewer than before: it was restarted, and its count says nothing any more.
        more = (responder_seq - self._counted) % echo.MOST_RESPONDER_SEQ
        self._known = self._known and responder_seq > 0 and more < echo.MOST_RESPONDER_SEQ // 2
        self._heard, self._counted = number, self._counted + more
        if self._lost:
            self._lost_before += self._lost.take(number)
        if self._refused:
            self._refused_before += self._refused.take(number)

    @property
    def forward(self) -> int:
        """Lost on the way there."""
        if not self._known or not self._heard:
            return 0
        return min(max(self._heard - self._refused_before - self._counted, 0), self._lost_before)

    @property
    def backward(self) -> int:
        """Lost on the way back, or not answered."""
        return self._lost_before - self.forward if self._known and self._heard else 0

    def _extend_run(self, number: int) -> None:
        self._run = self._run + 1 if number == self._last_lost + 1 else 1
        self._last_lost = number
        self.longest_run = max(self.longest_run, self._run)
