"""Replies that are here before their requests' transmit stamps by the NIC are: they wait, in order. PURE.

A NIC tells when a frame left only after it left, by an interrupt, many a driver by way of a worker: a near
responder's reply can be quicker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rawechod.probe.codec import Seen
from rawechod.probe.session import Match, Verdict

PATIENCE = 10_000_000
"""A reply waits at most so long, nanoseconds."""
MOST = 1024
"""Replies that wait."""


class Reply(NamedTuple):
    """One that found its request, and when it came, by each clock."""

    seen: Seen
    match: Match
    received_at: int
    """By the kernel's stamp."""
    hardware_at: int
    """By the NIC's."""
    now: int
    """By the daemon's monotonic clock."""


class EarlyReplies:
    """Those that wait. None overtakes another one: figures of consecutive replies need their order."""

    def __init__(self) -> None:
        self._waiting: deque[Reply] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, reply: Reply) -> None:
        """The last to have come."""
        self._waiting.append(reply)

    @property
    def deadline(self) -> int | None:
        """When the first has waited long enough; None where there is none."""
        return self._waiting[0].now + PATIENCE if self._waiting else None

    def ready(self, now: int, stamp_of: Callable[[int], int]) -> Iterator[Reply]:
        """Take out those that need not wait any more; `stamp_of` says a request's transmit stamp, 0 = not yet."""
        while self._waiting:
            first = self._waiting[0]
            stamp = first.match.hardware_stamp or stamp_of(first.match.number)
            if not stamp and self._worthwhile(first, now):
                return
            self._waiting.popleft()
            yield first._replace(match=first.match._replace(hardware_stamp=stamp))

    def _worthwhile(self, reply: Reply, now: int) -> bool:
        """Whether a stamp may still come, and would be of use."""
        of_use = reply.hardware_at and reply.match.verdict is Verdict.REPLY
        return bool(of_use) and now < reply.now + PATIENCE and len(self._waiting) <= MOST
