"""Whether native XDP may be tried, and whether it transmits what it claims to: the driver's counters tell. PURE.

On some devices what the program sends goes nowhere, and nobody says so. So its answers are compared with the
driver's counters, the first of them and as long as the mode lasts. `sent` has the host's other frames in it:
what it proves is that answers leave, not that each did.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

UNDISTURBED = frozenset({"tun", "virtio_net"})
"""Drivers that take a native program without interrupting the link; `xdp = "auto"` asks no others for it."""
TELLS_TAGS = "veth"
"""The driver that the program can ask for a frame's tag; on the others it has to be in the frame."""
STACKED = frozenset({"bonding", "hv_netvsc"})
"""Drivers that run the program in other ones, whose features they don't tell."""
PATIENCE = 1_000_000_000
"""Some drivers count a frame late; after so many nanoseconds one that is not counted has not left."""


def refusal(driver: str, takes_tags: bool) -> str:
    """Why native mode could answer a tagged request untagged on this driver; empty where it can't."""
    if driver in STACKED:
        return "the drivers below it may take VLAN tags out of frames"
    if takes_tags and driver != TELLS_TAGS:
        return "its driver takes VLAN tags out of frames (rx-vlan-offload is on)"
    return ""


class Counts(NamedTuple):
    """At one moment, or between two."""

    claimed: int
    """Answers that the program counted as transmitted."""
    sent: int
    """Frames that the driver counted as transmitted."""
    failed: int
    """Answers of the program that the driver counted as thrown away."""

    def since(self, before: Counts) -> Counts:
        """What happened in between."""
        return Counts(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def lost(self) -> int:
        """Claimed answers that did not leave, once nothing is under way any more."""
        return min(max(self.failed, self.claimed - self.sent), self.claimed)


class Verdict(Enum):
    """What a period proves."""

    NOTHING = "nothing was claimed"
    PROVED = "answers leave"
    DOUBTED = "most are not counted yet"
    DISPROVED = "most don't leave"


def judge(period: Counts, doubted_for: int) -> Verdict:
    """Most of the answers decide: a full queue throws some away, and some are under way."""
    if period.claimed <= 0:
        return Verdict.NOTHING
    if 2 * period.failed > period.claimed:
        return Verdict.DISPROVED
    if 2 * period.sent >= period.claimed:
        return Verdict.PROVED
    return Verdict.DISPROVED if doubted_for >= PATIENCE else Verdict.DOUBTED
