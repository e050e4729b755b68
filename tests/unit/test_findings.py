"""What a survey's matrix is said to mean: paths with one known fault each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rawechoctl.cells import ALTERED, LOST, NOT_SENT, PASSES, UNTAGGED, Axes, Cell, Outcome, what_differs
from rawechoctl.findings import NO_TAGS, findings

AXES = Axes(
    ["ETH_P_802_EX1", "ETH_P_PAE"],
    ["unicast", "broadcast", "pae-group"],
    [UNTAGGED, "0", "100"],
    [0, 7],
    [60, 1504, 1514],
)


def survey(drops: Callable[[Cell], bool], outcome: Outcome | None = None) -> list[str]:
    """The findings of a path that drops, or treats so, just these cells."""
    bad = outcome or Outcome(LOST)
    return findings({cell: bad if drops(cell) else Outcome(PASSES, rtt_ns=1) for cell in AXES.cells()})


def test_a_cell_for_each_combination() -> None:
    """Without a tag there is one priority: (1 + 2 x 2) tags, 2 EtherTypes, 3 destinations, 3 sizes."""
    cells = AXES.cells()
    assert len(cells) == len(set(cells)) == 5 * 2 * 3 * 3


@pytest.mark.parametrize(
    ("drops", "expected"),
    [
        (lambda cell: False, ["everything that was sent passes, unaltered"]),
        (lambda cell: True, ["nothing passes"]),
        (lambda cell: cell.destination == "pae-group", ["frames to the PAE group do not pass"]),
        (lambda cell: cell.ethertype == "ETH_P_PAE", ["frames with EtherType ETH_P_PAE do not pass"]),
        (lambda cell: cell.vlan != UNTAGGED, [NO_TAGS]),
        (lambda cell: cell.vlan == "100", ["frames of VLAN 100 do not pass"]),
        (lambda cell: cell.size > 1504, ["nothing above 1504 octets passes (of the sizes that were tried)"]),
        (lambda cell: cell.size > 60, ["nothing above 60 octets passes (of the sizes that were tried)"]),
        (lambda cell: cell.pcp == 7, ["frames with priority 7 do not pass"]),
        (
            lambda cell: cell.vlan == "100" and cell.destination == "broadcast",
            ["frames to everybody (broadcast) of VLAN 100 do not pass"],
        ),
        (
            lambda cell: cell.vlan == "100" and cell.size == 1514,
            ["frames of VLAN 100 of 1514 octets do not pass"],
        ),
        (
            lambda cell: cell.destination == "pae-group" or cell.size > 1504,
            [
                "nothing above 1504 octets passes (of the sizes that were tried)",
                "frames to the PAE group do not pass",
            ],
        ),
        (
            lambda cell: cell == Cell("ETH_P_PAE", "unicast", "100", 7, 60),
            ["1 further combinations do not pass, as the table shows"],
        ),
    ],
)
def test_losses_are_explained(drops: Callable[[Cell], bool], expected: list[str]) -> None:
    """Each by the plainest sentence that is true, and only once."""
    assert survey(drops) == expected


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("tag", "without their tag, or with another one"),
        ("priority", "with another priority"),
        ("vlan", "in another VLAN"),
        ("payload", "with other octets in them"),
    ],
)
def test_alterations_are_told(what: str, how: str) -> None:
    """By VLAN, and never as losses."""
    assert survey(lambda cell: cell.vlan == "100", Outcome(ALTERED, what)) == [
        f"frames of VLAN 100 come back {how}"
    ]


def test_what_was_never_sent_is_no_loss() -> None:
    """Sizes that the own interface does not take say nothing of the path."""
    found = survey(lambda cell: cell.size == 1514, Outcome(NOT_SENT, error="EMSGSIZE"))
    assert found == ["everything that was sent passes, unaltered", "30 combinations could not be sent: EMSGSIZE"]


@pytest.mark.parametrize(
    ("vlan", "octet", "what"),
    [
        *[("100", 12, "tag"), ("100", 14, "priority"), ("100", 15, "vlan"), ("100", 18, "payload")],
        *[("200.100", 18, "tag"), ("200.100", 22, "payload"), (UNTAGGED, 12, "tag"), (UNTAGGED, 14, "payload")],
    ],
)
def test_octets_have_names(vlan: str, octet: int, what: str) -> None:
    """The first octet that differs tells what was altered."""
    assert what_differs(Cell("ETH_P_802_EX1", "unicast", vlan, 0, 60), octet) == what
