"""What listeners did, and their peers, between two looks at the counters. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rawechod.control.varlink import Parameters

Numbers = dict[str, float]

MOST_PEERS = 100
"""That a look is to tell of."""


@dataclass(frozen=True, slots=True)
class Row:
    """A listener and its counts a second."""

    listener: Parameters
    received: float
    replied: float
    dropped: Numbers
    """A reason's, those that ever happened."""
    kernel_drops: float

    @property
    def all_dropped(self) -> float:
        """Whatever the reason."""
        return sum(self.dropped.values())

    def as_object(self) -> Parameters:
        """For `--json`."""
        return {
            "interface": self.listener["interface"],
            "ethertype": self.listener["ethertype"],
            "state": self.listener["state"],
            "received_per_s": round(self.received, 3),
            "replied_per_s": round(self.replied, 3),
            "dropped_per_s": {reason: round(value, 3) for reason, value in self.dropped.items()},
            "kernel_drops_per_s": round(self.kernel_drops, 3),
        }


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A listener's peer and its counts a second."""

    peer: Parameters
    received: float
    replied: float

    def as_object(self) -> Parameters:
        """For `--json`."""
        return {
            **{name: self.peer[name] for name in ("interface", "ethertype", "mac")},
            "received_per_s": round(self.received, 3),
            "replied_per_s": round(self.replied, 3),
        }


def between(before: Parameters, after: Parameters) -> list[Row]:
    """The rates of all listeners that there are after; the times are the daemon's own."""
    before, seconds = _since(before, after)
    known = {_key(listener): listener for listener in before["listeners"]}
    return [_row(known.get(_key(one), {}), one, seconds) for one in after["listeners"]]


def of_peers(before: Parameters, after: Parameters) -> list[PeerRow]:
    """The rates of those who sent something, the busiest first.

    Who was not told of before is new, but where there are more than can be told.
    """
    before, seconds = _since(before, after)
    known = {_peer_key(peer): peer for peer in before["peers"]}
    told = [one for one in after["peers"] if _peer_key(one) in known or len(known) < MOST_PEERS]
    rows = [_peer_row(known.get(_peer_key(one), {}), one, seconds) for one in told]
    return sorted((row for row in rows if row.received), key=lambda row: row.received, reverse=True)


def _since(before: Parameters, after: Parameters) -> tuple[Parameters, float]:
    """What to subtract, and the seconds in between."""
    seconds = after["uptime_s"] - before["uptime_s"]
    if seconds < 0:  # the daemon was started anew
        return {"listeners": [], "peers": []}, after["uptime_s"]
    return before, seconds or 1.0


def _key(listener: Parameters) -> tuple[Any, ...]:
    return listener["interface"], listener["ethertype"], listener["mode"]


def _peer_key(peer: Parameters) -> tuple[Any, ...]:
    return peer["interface"], peer["ethertype"], peer["mac"]


def _peer_row(before: Parameters, after: Parameters, seconds: float) -> PeerRow:
    if before.get("received", 0) > after["received"]:
        before = {}  # forgotten meanwhile
    received, replied = (after[name] - before.get(name, 0) for name in ("received", "replied"))
    return PeerRow(after, received / seconds, replied / seconds)


def _row(before: Parameters, after: Parameters, seconds: float) -> Row:
    if before.get("received", 0) > after["received"]:
        before = {}  # configured anew
    return Row(
        after,
        (after["received"] - before.get("received", 0)) / seconds,
        max(after["replied"] - before.get("replied", 0), 0) / seconds,  # native XDP may have claimed too many
        {
            reason: (count - before.get("dropped", {}).get(reason, 0)) / seconds
            for reason, count in after["dropped"].items()
        },
        (after["kernel_drops"] - before.get("kernel_drops", 0)) / seconds,
    )
