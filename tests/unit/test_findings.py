"""What a survey's matrix is said to mean: paths with one known fault each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rawechoctl.cells import ALTERED, LOST, NOT_SENT, PASSES, UNTAGGED, Axes, Cell, Outcome
from rawechoctl.findings import NO_TAGS, UNALTERED, findings

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
        (lambda cell: False, [UNALTERED]),
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
            ["1 further combination does not pass, as the table shows"],
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
        ("priority,vlan", "with another priority and in another VLAN"),
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
    assert found == [UNALTERED, "30 combinations could not be sent: EMSGSIZE"]


def test_nothing_is_said_of_what_was_not_tried() -> None:
    """Interrupted: a kind of frames of which some are untried gets no sentence, only those that were tried."""
    matrix = {
        cell: Outcome(LOST) if cell.vlan == "100" else Outcome(PASSES, rtt_ns=1)
        for cell in AXES.cells()
        if cell.destination == "unicast"
    }
    untried = set(AXES.cells()) - matrix.keys()
    assert findings(matrix, untried) == [
        "frames to the responder's MAC of VLAN 100 do not pass",
        "interrupted: 60 of 90 combinations were not tried",
    ]
    lost = dict.fromkeys(matrix, Outcome(LOST))
    assert findings(lost, untried)[0] == "nothing that was tried passes"
    assert findings(dict.fromkeys(matrix, Outcome(PASSES, rtt_ns=1)), untried)[0] == UNALTERED
