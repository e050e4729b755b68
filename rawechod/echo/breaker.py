"""The storm breaker: finds peers that return what loopback mode returns to them. PURE.

Two loopbacks that face each other pass one frame for ever, and nothing in its octets betrays it. So whoever
keeps sending is asked by an echo request, now and then: an ordinary host answers it or ignores it, a loopback
returns it as it is. Then nothing more is returned to that peer for a while.

The other loopback may return some EtherTypes only, so a peer is asked behind the latest kinds of its frames. Each
question has a nonce of its own in t1, so that nobody else can claim that a peer returned what it was never asked.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

SECOND = 1_000_000_000
LOOK_EVERY = SECOND
SUSTAINED = 100
"""Frames of a peer between two looks; below that even a storm does no harm."""
PAUSE = 60 * SECOND
MOST_LOOPS = 1024
"""Peers that are watched at a time; to others nothing is returned."""
MOST_KINDS = 4
"""Kinds of frames that a peer is asked behind: the latest ones."""
PATIENCE = 5 * SECOND
"""After which a question that comes back proves nothing any more."""


class Question(NamedTuple):
    """An echo request to a peer."""

    peer: bytes
    head: bytes
    """The tags and the EtherType of one of its frames, for the question to take the same way."""
    nonce: int
    """64 bits."""


@dataclass(slots=True)
class Flow:
    """What a peer sends."""

    frames: int = 0
    """Since the last look."""
    heads: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    """The tags and EtherTypes of its frames, the latest last."""

    def count(self, head: bytes, frames: int) -> None:
        """Frames, the last one with this head."""
        self.frames += frames
        self.heads[head] = None
        self.heads.move_to_end(head)
        if len(self.heads) > MOST_KINDS:
            self.heads.popitem(last=False)


@dataclass(slots=True)
class Look:
    """What is to be done."""

    ask: list[Question] = field(default_factory=list)
    closed: list[bytes] = field(default_factory=list)
    """To whom frames are returned again."""


class StormBreaker:
    """Open for a peer means: nothing is returned to it."""

    def __init__(self, session: int, key: bytes) -> None:
        """`key` is secret: the nonces follow from it."""
        self.session = session
        """The questions' own, so that one that comes back is known."""
        self.open: dict[bytes, int] = {}
        """Peers, and until when, monotonic."""
        self._key = key
        self._opened: list[bytes] = []
        self._flows: dict[bytes, Flow] = {}
        self._asked = 0
        self._pending: OrderedDict[tuple[bytes, int], int] = OrderedDict()
        """Peers and nonces of questions, and until when they may come back."""

    def admits(self, peer: bytes, head: bytes) -> bool:
        """Count one frame of a peer; False where it is not to be returned."""
        return peer not in self.open and self.count(peer, head)

    def count(self, peer: bytes, head: bytes, frames: int = 1) -> bool:
        """Count frames of a peer; False where there is no room to watch it."""
        flow = self._flows.get(peer)
        if not flow:
            if len(self._flows) >= MOST_LOOPS:
                return False
            flow = self._flows[peer] = Flow()
        flow.count(head, frames)
        return True

    def returned(self, peer: bytes, nonce: int, now: int) -> None:
        """A question came back as it was sent: if this peer was asked it, the peer is a loopback too."""
        until = self._pending.pop((peer, nonce), 0)
        if until > now and peer not in self.open and len(self.open) < MOST_LOOPS:
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
        while self._pending and next(iter(self._pending.values())) <= now:
            self._pending.popitem(last=False)
        busy = [peer for peer, flow in self._flows.items() if flow.frames >= SUSTAINED and peer not in self.open]
        ask = [self._question(peer, head, now) for peer in busy for head in self._flows[peer].heads]
        self._flows = {peer: flow for peer, flow in self._flows.items() if flow.frames}
        for flow in self._flows.values():
            flow.frames = 0
        return Look(ask, closed)

    def _question(self, peer: bytes, head: bytes, now: int) -> Question:
        self._asked += 1
        digest = hashlib.blake2b(peer + self._asked.to_bytes(8), key=self._key, digest_size=8).digest()
        asked = Question(peer, head, int.from_bytes(digest))
        self._pending[peer, asked.nonce] = now + PATIENCE
        return asked
