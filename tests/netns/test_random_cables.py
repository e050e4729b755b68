"""Probes through scripted cables: every figure of their summaries is what the cable itself saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from tests.netns.cable import DROP, Action, Script
from tests.netns.conftest import ENGINES
from tests.netns.random_cables import MIXES, MS, PACES, TIMEOUT, Bench, Chance, bench
from tests.netns.truth import PARTS, disagreements

COUNT = PACES["slow"].count
LATE = Action(delay=TIMEOUT + 60 * MS)
ETHERTYPE, PDU, PAYLOAD = 12, 14, 60
MAGIC, VERSION, OP, SESSION, SEQ, T1 = PDU, PDU + 2, PDU + 3, PDU + 4, PDU + 8, PDU + 16


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, root: None) -> Iterator[Bench]:
    """A cable and two daemons for all tests, with each engine."""
    with bench(request.param) as ours:
        yield ours


def altered(offset: int, mask: int = 4) -> Action:
    """One octet is not as it was sent."""
    return Action(xor=(offset, mask))


THERE = {
    10: DROP,
    20: altered(5),
    21: altered(MAGIC),
    22: altered(VERSION),
    23: altered(OP, 8),
    24: altered(SESSION),
    25: altered(SEQ, 0x80),
    26: altered(T1),
    27: altered(PAYLOAD),
    28: altered(11),
    29: altered(ETHERTYPE + 1),
    30: Action(copies=3),
    31: Action(behind=2),
    40: LATE,
}
BACK = {
    1: DROP,
    2: Action(copies=2),
    3: Action(behind=1),
    4: altered(5),
    5: altered(11),
    6: altered(ETHERTYPE + 1),
    7: altered(T1),
    8: altered(SEQ, 0x80),
    9: LATE,
}
"""The answers to these requests: before them none is lost on its way there."""


def test_the_truth_about_known_faults(made: Bench) -> None:
    """What the log says of faults whose consequences are known, one by one."""
    outcome = made.judged(Script(THERE), Script(BACK))
    truth = asdict(outcome.truth)
    assert {name: count for name, count in truth.items() if count} == {
        "received": COUNT - 13,
        "forward": 8,  # 10, 20 to 25, 29
        "backward": 3,  # 1, 5, 8
        "late": 2,  # 9, 40
        "duplicates": 3,
        "reordered": 2,
        "corrupted": 6,  # 4, 6, 7, 26 to 28
        "unexpected": 2,  # 8, 25
        "strangers": 1,
        "outages": (1, 1, 3, 6, 1, 1),
    }
    assert outcome.wrong == []


@pytest.mark.parametrize(("pace", "mix"), [*(("slow", mix) for mix in MIXES), ("quick", "heavy")])
def test_every_figure_is_true(made: Bench, mix: str, pace: str) -> None:
    """On a cable that does what chance says, with a seed that stays."""
    outcome = made.judged(*Chance(7, mix, PACES[pace]).scripts(), PACES[pace])
    assert outcome.wrong == [], f"{outcome.truth} {outcome.summary}"


def test_a_clean_cable_takes_nothing(made: Bench) -> None:
    """And says so."""
    outcome = made.judged()
    assert (outcome.truth.sent, outcome.truth.received) == (COUNT, COUNT)
    assert outcome.wrong == []


def test_false_figures_are_found(made: Bench) -> None:
    """Each figure that is off by one, and a direction that claims more than was lost there; less is no lie."""
    outcome = made.judged(Script({3: DROP, 5: DROP}))
    outages = {"outages": [{"requests": 1}, {"requests": 1}]}
    true = outcome.summary | dict.fromkeys(PARTS, 0) | {"lost_forward": 2} | outages
    assert disagreements(true, outcome.truth) == []
    assert disagreements(true | {"lost_forward": 1, "lost_undetermined": 1}, outcome.truth) == []
    for figure in ("sent", "received", "lost", "reordered", "corrupted", "duplicates", "strangers", *PARTS):
        assert disagreements(true | {figure: true[figure] + 1}, outcome.truth), figure
    for direction in ("lost_backward", "lost_responder", "lost_here"):
        told = true | {"lost_forward": 1, direction: 1}
        assert [each.figure for each in disagreements(told, outcome.truth)] == [direction]
    assert [each.figure for each in disagreements(true | {"outages": []}, outcome.truth)] == ["outages"]
