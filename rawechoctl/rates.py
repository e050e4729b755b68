"""What listeners did between two looks at their counters. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rawechod.control.varlink import Parameters

Numbers = dict[str, float]


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


def between(before: Parameters, after: Parameters) -> list[Row]:
    """The rates of all listeners that there are after; the times are the daemon's own."""
    seconds = after["uptime_s"] - before["uptime_s"]
    if seconds < 0:  # the daemon was started anew
        before, seconds = {"listeners": []}, after["uptime_s"]
    known = {_key(listener): listener for listener in before["listeners"]}
    return [_row(known.get(_key(one), {}), one, seconds or 1.0) for one in after["listeners"]]


def _key(listener: Parameters) -> tuple[Any, ...]:
    return listener["interface"], listener["ethertype"], listener["mode"]


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
