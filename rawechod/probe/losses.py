"""Which way requests were lost, and how many in a row.

The responder counts the requests of a session that reach it (`responder_seq`). When its reply to request n
says r, then n - r of the requests up to n did not get there; what else is missing of them was lost on the way
back.
"""

from __future__ import annotations

from collections import deque


class Losses:
    """Losses of one session with one responder; numbers are those of the requests, 1, 2, 3, ..."""

    def __init__(self) -> None:
        self.longest_run = 0
        self._run = 0
        self._last_lost = 0
        self._refused = 0
        self._runs: deque[tuple[int, int]] = deque()
        """First and last number of each run of losses behind the last reply that was heard."""
        self._before = 0
        """Losses up to that reply."""
        self._heard = self._counted = 0
        self._known = True

    def lost(self, number: int) -> None:
        """A request timed out; they come in order."""
        self._extend_run(number)
        if number <= self._heard:
            self._before += 1
        elif self._runs and self._runs[-1][1] == number - 1:
            self._runs[-1] = (self._runs[-1][0], number)
        else:
            self._runs.append((number, number))

    def refused(self, number: int) -> None:
        """A request never left this machine: no direction."""
        self._extend_run(number)
        self._refused += 1

    def heard(self, number: int, responder_seq: int) -> None:
        """A reply said how many requests its sender has received."""
        if number <= self._heard:
            return
        # 0: it does not count. Fewer than before: it was restarted, and its count says nothing any more.
        self._known = self._known and responder_seq >= max(self._counted, 1)
        self._heard, self._counted = number, responder_seq
        while self._runs and self._runs[0][0] <= number:
            first, last = self._runs.popleft()
            self._before += min(last, number) - first + 1
            if last > number:
                self._runs.appendleft((number + 1, last))

    @property
    def forward(self) -> int:
        """Lost on the way there."""
        if not self._known or not self._heard:
            return 0
        return min(max(self._heard - self._refused - self._counted, 0), self._before)

    @property
    def backward(self) -> int:
        """Lost on the way back, or not answered."""
        return self._before - self.forward if self._known and self._heard else 0

    def _extend_run(self, number: int) -> None:
        self._run = self._run + 1 if number == self._last_lost + 1 else 1
        self._last_lost = number
        self.longest_run = max(self.longest_run, self._run)
