"""Rate limits by the generic cell rate algorithm; takes `now`, keeps one number a bucket."""

from __future__ import annotations

from collections import OrderedDict

SECOND = 1_000_000_000
BURST = SECOND // 20
"""How far a bucket may run ahead of its rate: 50 ms worth of frames, nanoseconds."""
SMALLEST_BURST = 64
"""Frames; so that low rates still pass a probe's start."""

MOST_PEERS = 16_384
"""Source MACs with a rate limit of their own."""


class Limiter:
    """A token bucket for one listener: `rate` frames a second on average, 0 = no limit."""

    def __init__(self, rate: int) -> None:
        self.cost = SECOND // rate if rate else 0
        self.tolerance = max(BURST, SMALLEST_BURST * self.cost)
        self._due = 0

    def admits(self, now: int) -> bool:
        """Take a token at `now` (monotonic, nanoseconds); False where there is none."""
        due = max(self._due, now)
        if due - now > self.tolerance:
            return False
        self._due = due + self.cost
        return True

    def idle(self, now: int) -> bool:
        """Whether the bucket is full again, so that forgetting it changes nothing."""
        return self._due <= now


class PeerLimiter:
    """A token bucket a source MAC, in bounded memory.

    When the table is full a bucket that is full again makes room. Where none is, the new peer shares the
    one bucket of all strangers: an attacker who invents sources gains nothing by it.
    """

    def __init__(self, rate: int, capacity: int = MOST_PEERS) -> None:
        self._rate = rate
        self._capacity = capacity
        self._buckets: OrderedDict[bytes, Limiter] = OrderedDict()
        self._strangers = Limiter(rate)

    def admits(self, peer: bytes, now: int) -> bool:
        """Take a token of this peer at `now`; False where there is none."""
        if not self._rate:
            return True
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._new_bucket(peer, now)
        else:
            self._buckets.move_to_end(peer)
        return bucket.admits(now)

    def _new_bucket(self, peer: bytes, now: int) -> Limiter:
        if len(self._buckets) >= self._capacity:
            oldest = next(iter(self._buckets.values()))
            if not oldest.idle(now):
                return self._strangers
            self._buckets.popitem(last=False)
        bucket = self._buckets[peer] = Limiter(self._rate)
        return bucket
