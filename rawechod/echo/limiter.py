"""Rate limits by the generic cell rate algorithm; takes `now`, keeps one number a bucket."""

from __future__ import annotations

SECOND = 1_000_000_000
BURST = SECOND // 20
"""How far a bucket may run ahead of its rate: 50 ms worth of frames, nanoseconds."""
SMALLEST_BURST = 64
"""Frames; so that low rates still pass a probe's start."""


class Limiter:
    """A token bucket: `rate` frames a second on average, 0 = no limit."""

    __slots__ = ("cost", "due", "tolerance")

    def __init__(self, rate: int) -> None:
        self.cost = SECOND // rate if rate else 0
        self.tolerance = max(BURST, SMALLEST_BURST * self.cost)
        self.due = 0
        """When the bucket is full again, monotonic, nanoseconds."""

    def admits(self, now: int) -> bool:
        """Take a token at `now` (monotonic, nanoseconds); False where there is none."""
        due = max(self.due, now)
        if due - now > self.tolerance:
            return False
        self.due = due + self.cost
        return True

    def idle(self, now: int) -> bool:
        """Whether the bucket is full again, so that forgetting it changes nothing."""
        return self.due <= now
