"""What a listener knows of its peers, the source MACs of requests to it: their buckets, and what was counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from rawechod.echo.counters import SessionState
from rawechod.echo.limiter import Limiter

MOST_PEERS = 16_384
"""Peers that are remembered, with a rate limit of their own."""


Counts = tuple[int, int, int]
"""Of a peer: frames received (valid requests to us, in loopback mode frames to be returned; before any limit),
those of them that the limits let pass, and when the last one came, monotonic, nanoseconds.

A plain tuple: there may be thousands.
"""


class Census(NamedTuple):
    """What was counted of all peers."""

    peers: dict[bytes, Counts]
    forgotten: int = 0
    """Received of peers that were forgotten since, or found no room."""

    def plus(self, other: Census) -> Census:
        """Both together."""
        both = dict(self.peers)
        for mac, (received, replied, last) in other.peers.items():
            more = both.get(mac, (0, 0, 0))
            both[mac] = (received + more[0], replied + more[1], max(last, more[2]))
        return Census(both, self.forgotten + other.forgotten)


class PeerState(NamedTuple):
    """A peer as one owner hands it to the next: `struct re_peer` of reflect.h, and whose it is."""

    mac: bytes
    due: int
    """When its bucket is full again, monotonic, nanoseconds."""
    received: int
    replied: int
    last: int


class Memory(NamedTuple):
    """All that a responder remembers of those who asked. Whoever serves the frames owns it."""

    sessions: list[SessionState]
    peers: list[PeerState]
    forgotten: int = 0
    """Received of peers that were forgotten, or found no room."""
    due: int = 0
    """When the listener's own bucket is full again, monotonic, nanoseconds."""
    dropped: int = 0
    """Frames that the receive buffers dropped; from one listener to its successor."""

    def uncounted(self) -> Memory:
        """The sessions alone: for a listener that counts anew, under other limits."""
        return Memory(self.sessions, [], dropped=self.dropped)


class Remembering(Protocol):
    """What owns a memory: the tables in C, the kernel's maps, or a reflector."""

    def export(self) -> Memory:
        """Hand over everything: nothing is left, for there is one owner at a time."""

    def import_(self, memory: Memory) -> None:
        """Go on with what a former owner remembered, beside what is here already.

        Of the same peer the counts are added and the later `due` is kept; of the same session the one used last.
        """


class Peer:
    """A peer at work: its bucket and its counts."""

    __slots__ = ("bucket", "last", "received", "replied")

    def __init__(self, rate: int) -> None:
        self.bucket = Limiter(rate)
        self.received = self.replied = self.last = 0


class PeerTable:
    """A bucket and counts a source MAC, in bounded memory.

    When the table is full, the peer that was silent longest makes room if its bucket is full again: forgetting
    that changes nothing, and its frames go on in one sum. Where its bucket is not, the new peer shares the one of
    all others: an attacker who invents sources gains nothing by it.
    """

    def __init__(self, rate: int, capacity: int = MOST_PEERS) -> None:
        """With so many frames a second for each, 0 = no limit."""
        self._rate = rate
        self._capacity = capacity
        self._peers: OrderedDict[bytes, Peer] = OrderedDict()
        self._others = Peer(rate)

    def receive(self, mac: bytes, now: int) -> Peer:
        """Count a frame of a peer at `now` (monotonic, nanoseconds); whoever answers it counts that."""
        peer = self._find(mac, now)
        peer.received += 1
        peer.last = now
        return peer

    def add(self, census: Census) -> None:
        """Count what an engine that ends has counted, or forgotten."""
        self._others.received += census.forgotten
        for mac, (received, replied, last) in sorted(census.peers.items(), key=lambda each: each[1][2]):
            peer = self._find(mac, last)
            peer.received += received
            peer.replied += replied
            peer.last = max(peer.last, last)

    def export(self) -> tuple[list[PeerState], int]:
        """Hand over every peer, and what was received of those that were forgotten: nothing is left."""
        peers, forgotten = self._peers, self._others.received
        self._peers, self._others = OrderedDict(), Peer(self._rate)
        states = [
            PeerState(mac, one.bucket.due, one.received, one.replied, one.last) for mac, one in peers.items()
        ]
        return states, forgotten

    def import_(self, peers: Iterable[PeerState], forgotten: int = 0) -> None:
        """Go on with peers of a former owner."""
        self._others.received += forgotten
        for state in sorted(peers, key=lambda each: each.last):
            peer = self._find(state.mac, state.last)
            peer.received += state.received
            peer.replied += state.replied
            peer.last = max(peer.last, state.last)
            if peer is not self._others:
                peer.bucket.due = max(peer.bucket.due, state.due)

    def census(self) -> Census:
        """What was counted."""
        peers = {mac: (peer.received, peer.replied, peer.last) for mac, peer in self._peers.items()}
        return Census(peers, self._others.received)

    def _find(self, mac: bytes, now: int) -> Peer:
        peer = self._peers.get(mac)
        if peer is None:
            return self._new(mac, now)
        self._peers.move_to_end(mac)
        return peer

    def _new(self, mac: bytes, now: int) -> Peer:
        if len(self._peers) >= self._capacity:
            oldest = next(iter(self._peers.values()))
            if not oldest.bucket.idle(now):
                return self._others
            self._peers.popitem(last=False)
            self._others.received += oldest.received
        peer = self._peers[mac] = Peer(self._rate)
        return peer
