"""The storm breaker: finds peers that return what loopback mode returns to them. PURE.

Two loopbacks that face each other pass one frame for ever, and nothing in its octets betrays it. So whoever
keeps sending is asked by an echo request, now and then: an ordinary host answers it or ignores it, a loopback
returns it as it is. Then nothing more is returned to that peer for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SECOND = 1_000_000_000
LOOK_EVERY = SECOND
SUSTAINED = 100
"""Frames of a peer between two looks; below that even a storm does no harm."""
PAUSE = 60 * SECOND
MOST_LOOPS = 1024
"""Peers that are watched at a time; to others nothing is returned."""


@dataclass(slots=True)
class Flow:
    """What a peer sent since the last look."""

    frames: int
    head: bytes
    """The tags and the EtherType of one of its frames, for the question to take the same way."""


@dataclass(slots=True)
class Look:
    """What is to be done."""

    ask: dict[bytes, bytes] = field(default_factory=dict)
    """Whom to send an echo request, and behind which tags and EtherType."""
    closed: list[bytes] = field(default_factory=list)
    """To whom frames are returned again."""


class StormBreaker:
    """Open for a peer means: nothing is returned to it."""

    def __init__(self, session: int) -> None:
        self.session = session
        """The questions' own, so that one that comes back is known."""
        self.open: dict[bytes, int] = {}
        """Peers, and until when, monotonic."""
        self._opened: list[bytes] = []
        self._flows: dict[bytes, Flow] = {}

    def admits(self, peer: bytes, head: bytes) -> bool:
        """Count one frame of a peer; False where it is not to be returned."""
        return peer not in self.open and self.count(peer, head)

    def count(self, peer: bytes, head: bytes, frames: int = 1) -> bool:
        """Count frames of a peer; False where there is no room to watch it."""
        flow = self._flows.get(peer)
        if flow:
            flow.frames += frames
        elif len(self._flows) < MOST_LOOPS:
            self._flows[peer] = Flow(frames, head)
        else:
            return False
        return True

    def returned(self, peer: bytes, now: int) -> None:
        """A question came back as it was sent: the peer is a loopback too."""
        if peer not in self.open and len(self.open) < MOST_LOOPS:
            self.open[peer] = now + PAUSE
            self._opened.append(peer)

    def news(self) -> list[bytes]:
        """The peers for whom it has opened since the last call."""
        news, self._opened = self._opened, []
        return news

    def look(self, now: int) -> Look:
        """Once every LOOK_EVERY: whom to ask, and for whom it closes again."""
        closed = [peer for peer, until in self.open.items() if until <= now]
        for peer in closed:
            del self.open[peer]
        busy = {peer: flow.head for peer, flow in self._flows.items() if flow.frames >= SUSTAINED}
        ask = {peer: head for peer, head in busy.items() if peer not in self.open}
        self._flows = {}
        return Look(ask, closed)
