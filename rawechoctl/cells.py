"""What a survey tries: one cell for each combination of its axes. PURE."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

UNTAGGED = "none"
"""Among VLANs: without any tag, and so without priority."""
PASSES, LOST, NOT_SENT, ALTERED = "passes", "lost", "not_sent", "altered"


class Cell(NamedTuple):
    """One combination."""

    ethertype: str
    destination: str
    vlan: str
    pcp: int
    size: int


class Outcome(NamedTuple):
    """What became of it."""

    result: str = LOST
    altered: str = ""
    """The fields that came back changed, as a reply's `altered` has them."""
    error: str = ""
    """Why it could not be sent."""
    rtt_ns: int | None = None


class Axes(NamedTuple):
    """The values to combine."""

    ethertypes: list[str]
    destinations: list[str]
    vlans: list[str]
    pcps: list[int]
    sizes: list[int]

    def cells(self) -> list[Cell]:
        """All combinations; without a tag there is but one priority."""
        return [
            Cell(*values)
            for values in product(self.ethertypes, self.destinations, self.vlans, self.pcps, self.sizes)
            if values[2] != UNTAGGED or values[3] == self.pcps[0]
        ]


def tagging(cell: Cell) -> str:
    """The tag, for a person."""
    return "untagged" if cell.vlan == UNTAGGED else f"VLAN {cell.vlan} priority {cell.pcp}"
