"""Whether native XDP may be tried, and whether it transmits what it claims to: the driver's counters tell. PURE.

On some devices what the program sends goes nowhere, and nobody says so. So its answers are compared with the
driver's counters, the first of them and as long as the mode lasts. `sent` has the host's other frames in it:
what it proves is that answers leave, not that each did.
"""

from __future__ import annotations

import errno
from enum import Enum
from typing import NamedTuple

UNDISTURBED = frozenset({"tun", "virtio_net"})
"""Drivers that take a native program without interrupting the link; `xdp = "auto"` asks no others for it."""
TELLS_TAGS = "veth"
"""The driver that the program can ask for a frame's tag; on the others it has to be in the frame."""
ASKS_SINCE = (6, 8)
"""The kernel that lets a program ask."""
USUAL_MTU = 1500
STACKED = frozenset({"bonding", "hv_netvsc"})
"""Drivers that run the program in other ones, whose features they don't tell."""
PATIENCE = 1_000_000_000
"""Some drivers count a frame late; after so many nanoseconds one that is not counted has not left."""


def refused(driver: str, code: int, mtu: int) -> str:
    """What an errno of attaching a native program says."""
    if code in (errno.EBUSY, errno.EEXIST):
        return "another XDP program is attached"
    if code == errno.EOPNOTSUPP:
        return f"{driver} has no native XDP"
    if code in (errno.EINVAL, errno.ERANGE, errno.E2BIG) and mtu > USUAL_MTU:
        return f"{driver} takes no program at MTU {mtu}"
    return f"{driver} takes no program ({errno.errorcode.get(code, code)})"


def refusal(driver: str, takes_tags: bool, kernel: tuple[int, ...]) -> str:
    """Why native mode could answer a tagged request untagged on this driver; empty where it can't."""
    if driver in STACKED:
        return "the drivers below it may take VLAN tags out of frames"
    if driver == TELLS_TAGS and kernel < ASKS_SINCE:
        return f"on {driver} it takes Linux {'.'.join(map(str, ASKS_SINCE))}"
    if takes_tags and driver != TELLS_TAGS:
        return "its driver takes VLAN tags out of frames (rx-vlan-offload is on)"
    return ""


class Period(NamedTuple):
    """Between two looks at the counters."""

    claimed: int
    """Answers that the program counted as transmitted."""
    sent: int
    """Frames that were counted as transmitted."""
    failed: int
    """Answers of the program that the driver counted as thrown away."""

    @property
    def lost(self) -> int:
        """Claimed answers that did not leave, once nothing is under way any more."""
        return min(max(self.failed, self.claimed - self.sent), self.claimed)


class Counts(NamedTuple):
    """At one moment: of the program, of the interface, of its driver."""

    claimed: int
    transmitted: int
    """By the interface, the host's own frames among them; some drivers leave the program's out."""
    sent_apart: int
    """By the driver for the program, where it counts that."""
    failed: int

    def since(self, before: Counts) -> Period | None:
        """What happened in between; None where a counter went back: there are drivers that begin anew at whim."""
        claimed, transmitted, apart, failed = (now - then for now, then in zip(self, before, strict=True))
        if min(transmitted, apart, failed) < 0:
            return None
        return Period(claimed, max(transmitted, apart), failed)


class Verdict(Enum):
    """What a period proves."""

    NOTHING = "nothing was claimed"
    PROVED = "answers leave"
    DOUBTED = "most are not counted yet"
    DISPROVED = "most don't leave"


def judge(period: Period, doubted_for: int) -> Verdict:
    """Most of the answers decide: a full queue throws some away, and some are under way."""
    if period.claimed <= 0:
        return Verdict.NOTHING
    if 2 * period.failed > period.claimed:
        return Verdict.DISPROVED
    if 2 * period.sent >= period.claimed:
        return Verdict.PROVED
    return Verdict.DISPROVED if doubted_for >= PATIENCE else Verdict.DOUBTED
