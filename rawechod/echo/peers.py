"""What a listener knows of its peers, the source MACs of requests to it: their buckets, and what was counted."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from rawechod.echo.limiter import Limiter

MOST_PEERS = 16_384
"""Peers that are remembered, with a rate limit of their own."""


class Seen(NamedTuple):
    """What was counted of a peer."""

    received: int
    """Valid requests to us, in loopback mode frames to be returned; before any limit."""
    replied: int
    """Those of them that the limits let pass."""
    last: int
    """When the last one came, monotonic, nanoseconds."""

    def plus(self, other: Seen) -> Seen:
        """Both together."""
        counts = (self.received + other.received, self.replied + other.replied)
        return Seen(*counts, max(self.last, other.last))


class Census(NamedTuple):
    """What was counted of all peers."""

    peers: dict[bytes, Seen]
    forgotten: int = 0
    """Received of peers that were forgotten since, or found no room."""

    def plus(self, other: Census) -> Census:
        """Both together."""
        both = dict(self.peers)
        for mac, seen in other.peers.items():
            both[mac] = seen.plus(both[mac]) if mac in both else seen
        return Census(both, self.forgotten + other.forgotten)


class Peer:
    """A peer at work: its bucket, and the counts of Seen."""

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
        for mac, seen in sorted(census.peers.items(), key=lambda each: each[1].last):
            peer = self._find(mac, seen.last)
            peer.received += seen.received
            peer.replied += seen.replied
            peer.last = max(peer.last, seen.last)

    def census(self) -> Census:
        """What was counted."""
        peers = {mac: Seen(peer.received, peer.replied, peer.last) for mac, peer in self._peers.items()}
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
