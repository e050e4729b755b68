"""Which way requests were lost, against a cable in memory of which everything is known."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from rawechod.echo.counters import SessionTable
from rawechod.probe.losses import MOST_KEPT, MOST_RUNS, Directions, Losses, Runs

PEER = bytes(6)
REQUESTS = 400


@dataclass
class Path:
    """One way of a cable: how likely what is; delays are in requests."""

    drop: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    farthest: int = 2
    corrupt: float = 0.0
    bursts: list[range] = field(default_factory=list)

    def arrivals(self, chance: Random, number: int, sent: float) -> list[float]:
        """When the copies of a frame arrive."""
        if chance.random() < self.drop or any(number in burst for burst in self.bursts):
            return []
        first = sent + (chance.uniform(0, self.farthest) if chance.random() < self.delay else 0)
        return [first, first + chance.uniform(0, self.farthest)] if chance.random() < self.double else [first]


@dataclass
class Run:
    """A probe over such a cable, and the truth."""

    losses: Losses
    came: set[int]
    answered: set[int]
    last_answered: int = 0

    @property
    def lost(self) -> list[int]:
        """Requests without any reply."""
        return [number for number in range(1, REQUESTS + 1) if number not in self.answered]

    @property
    def truth(self) -> tuple[int, int]:
        """Lost on the way there and on the way back."""
        forward = sum(number not in self.came for number in self.lost)
        return forward, len(self.lost) - forward

    def split(self, here: int = 0) -> Directions:
        """What is said of them."""
        return self.losses.split(len(self.lost), 0, REQUESTS + 1, here)


def corrupted(chance: Random, seq: int, window: int) -> tuple[int, int]:
    """One bit of what a responder says changed on its way."""
    if chance.random() < 0.4:
        return seq ^ 1 << chance.randrange(32), window
    return seq, window ^ 1 << chance.randrange(64)


def run(there: Path, back: Path, chance: Random) -> Run:
    """Send all requests, one at a time."""
    table, made = SessionTable(), Run(Losses(), set(), set())
    order = itertools.count()
    queue: list[tuple[float, int, Any]] = []
    for number in range(1, REQUESTS + 1):
        for when in there.arrivals(chance, number, number):
            heapq.heappush(queue, (when, next(order), (number, None)))
    while queue:
        when, _, (number, said) = heapq.heappop(queue)
        if said:
            made.losses.heard(number, number not in made.answered, (*said, 0))
            made.answered.add(number)
            made.last_answered = max(made.last_answered, number)
            continue
        made.came.add(number)
        said = table.receive(PEER, 1, number, 0)
        for arrival in back.arrivals(chance, number, when + 0.3):
            changed = corrupted(chance, *said) if chance.random() < back.corrupt else said
            heapq.heappush(queue, (arrival, next(order), (number, changed)))
    return made


def random_path(chance: Random, corrupts: bool) -> Path:
    """From clean to terrible."""
    first = chance.randint(1, REQUESTS)
    return Path(
        drop=chance.choice([0, 0.01, 0.05, 0.3, 0.6]),
        double=chance.choice([0, 0.05, 0.2]),
        delay=chance.choice([0, 0, 0.02, 0.1]),
        farthest=chance.choice([2, 5, 20, 50]),
        corrupt=chance.choice([0, 0, 0.005]) if corrupts else 0,
        bursts=[range(first, first + chance.randint(1, 200))] * chance.choice([0, 0, 1]),
    )


@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, 800, 100)], ids=str)
def test_no_direction_is_wrong(seeds: range) -> None:
    """On any cable: neither way is blamed for more than it lost, and all losses are in the sum."""
    for seed in seeds:
        chance = Random(seed)
        made = run(random_path(chance, False), random_path(chance, True), chance)
        said, (forward, backward) = made.split(), made.truth
        assert said.forward <= forward, seed
        assert said.backward <= backward, seed
        assert sum(said) == len(made.lost), seed


@pytest.mark.parametrize("seed", range(40))
def test_directions_are_exact_in_order(seed: int) -> None:
    """Without overtaking, of any amount of losses and doubles: all but those behind the last reply."""
    chance = Random(seed)
    there, back = random_path(chance, False), random_path(chance, False)
    there.delay = back.delay = there.double = 0
    made = run(there, back, chance)
    said, tail = made.split(), REQUESTS - made.last_answered
    assert said.undetermined == tail
    assert said.forward + said.backward == len(made.lost) - tail
    assert said.forward <= made.truth[0]
    assert said.backward <= made.truth[1]


def test_little_is_left_undetermined() -> None:
    """With mild overtaking both ways, doubles and corrupted words of the responder."""
    undetermined = lost = 0
    for seed in range(200):
        path = Path(drop=0.05, double=0.05, delay=0.05, farthest=3, corrupt=0.01)
        made = run(path, path, Random(seed))
        undetermined += made.split().undetermined - (REQUESTS - made.last_answered)
        lost += len(made.lost)
    assert undetermined < lost // 40


def in_order(*answered: int, dropped: int = 0) -> Losses:
    """All requests came, these were answered."""
    losses, table = Losses(), SessionTable()
    for number in range(1, max(answered) + 1):
        said = table.receive(PEER, 1, number, 0)
        if number in answered:
            losses.heard(number, True, (*said, dropped))
    return losses


def test_a_burst_wider_than_the_window() -> None:
    """100 replies are lost: no window shows the first of them, the counts do."""
    losses = in_order(1, 2, 103, 104, 105)
    assert losses.split(100, 0, 106, 0) == Directions(0, 100, 0, 0, 0)


def test_own_drops_explain_the_way_back_first() -> None:
    """What the probe's socket dropped is not the path's, and never more than it dropped."""
    losses = in_order(1, 2, 7, 8)
    assert losses.split(4, 0, 9, 3) == Directions(0, 1, 0, 3, 0)
    assert losses.split(6, 0, 11, 5) == Directions(0, 0, 0, 5, 1)


def test_refused_requests_never_left() -> None:
    """They are lost here, in front of the window, within it, and where no window covers them."""
    losses, table = Losses(), SessionTable()
    for number in range(1, 200):
        if number in (2, 3, 150) or 20 <= number < 120:
            losses.refused(number)
        else:
            losses.heard(number, True, (*table.receive(PEER, 1, number, 0), 0))
    assert losses.split(103, 0, 200, 0) == Directions(0, 0, 0, 103, 0)


def some_did_not_come(*dropped: int) -> Losses:
    """Of ten requests those from 4 to 6; the responder says with its replies how many frames it dropped."""
    losses, table, said = Losses(), SessionTable(), iter(dropped)
    for number in (1, 2, 3, 7, 8, 9, 10):
        losses.heard(number, True, (*table.receive(PEER, 1, number, 0), next(said)))
    return losses


@pytest.mark.parametrize(
    ("dropped", "expected"),
    [
        ((0, 0, 0, 0, 0, 0, 0), Directions(3, 0, 0, 0, 0)),
        ((5, 5, 5, 5, 5, 5, 5), Directions(3, 0, 0, 0, 0)),
        ((5, 5, 5, 7, 7, 7, 7), Directions(1, 0, 2, 0, 0)),
        ((5, 5, 5, 7, 9, 9, 9), Directions(0, 0, 3, 0, 0)),
        ((65535, 65535, 65535, 1, 1, 1, 1), Directions(1, 0, 2, 0, 0)),
        ((5, 5, 5, 5, 5 ^ 256, 5, 5), Directions(3, 0, 0, 0, 0)),
        ((5, 5, 5, 5, 5, 5, 6), Directions(2, 0, 0, 0, 1)),
        ((900, 900, 900, 0, 0, 0, 0), Directions(3, 0, 0, 0, 0)),
        ((900, 900, 900, 0, 0, 2, 2), Directions(1, 0, 2, 0, 0)),
    ],
    ids=str,
)
def test_the_responders_drops(dropped: tuple[int, ...], expected: Directions) -> None:
    """Those of the run, as far as a second reply confirms them; modulo 65536, and from 0 after a restart."""
    assert some_did_not_come(*dropped).split(3, 0, 11, 0) == expected


def test_drops_before_the_first_reply() -> None:
    """Whether these were the responder's nobody knows, unless it has dropped nothing at all."""
    for dropped, expected in ((0, Directions(2, 0, 0, 0, 0)), (1, Directions(1, 0, 0, 0, 1))):
        losses = Losses()
        for number, window in ((3, 1), (4, 3), (5, 7)):
            losses.heard(number, True, (number - 2, window, dropped))
        assert losses.split(2, 0, 6, 0) == expected


def test_nobody_answered() -> None:
    """Nothing is known."""
    assert Losses().split(10, 0, 11, 0) == Directions(0, 0, 0, 0, 10)


def test_a_responder_that_keeps_nothing() -> None:
    """Nor where no count and no window is kept."""
    losses = Losses()
    for number in (1, 3, 4, 9):
        losses.heard(number, True, (0, 0, 0))
    assert losses.split(5, 0, 10, 0) == Directions(0, 0, 0, 0, 5)


def test_late_replies_have_no_direction() -> None:
    """Whichever way they were delayed."""
    losses, table = Losses(), SessionTable()
    said = {number: (*table.receive(PEER, 1, number, 0), 0) for number in range(1, 11)}
    for number in (1, 2, 3, 5, 6, 7, 8, 10, 4):
        losses.heard(number, True, said[number])
    assert losses.split(2, 1, 11, 0) == Directions(0, 1, 0, 0, 0)


def test_what_still_waits_is_not_judged() -> None:
    """Requests from `end` on are not lost yet."""
    assert in_order(1, 2, 5, 6, 9, 10).split(2, 0, 7, 0) == Directions(0, 2, 0, 0, 0)


def test_a_responder_that_was_started_anew() -> None:
    """Its window says "not received" of what came before: nobody is blamed for more than was lost."""
    losses = in_order(*range(1, 50), 52)
    table = SessionTable()
    for number in range(53, 60):
        losses.heard(number, True, (*table.receive(PEER, 1, number, 0), 0))
    said = losses.split(2, 0, 60, 0)
    assert said.forward == 0
    assert said.backward + said.undetermined == 2


def test_a_number_that_was_corrupted_on_the_way_there() -> None:
    """Request 2 came as 6, which was lost later: the windows say of 6 that it came, which proves nothing."""
    losses, table = Losses(), SessionTable()
    for number in (1, 6, 3, 4, 5, 7, *range(8, 90)):
        said = (*table.receive(PEER, 1, number, 0), 0)
        if number == 6:
            losses.unsent(6)
        else:
            losses.heard(number, True, said)
    assert losses.split(2, 0, 90, 0) == Directions(1, 0, 0, 0, 1)


def test_memory_is_bounded() -> None:
    """Whatever happens for however long; what was forgotten stays in the sums."""
    losses, table = Losses(), SessionTable()
    total = 4 * MOST_KEPT
    for number in range(1, total + 1):
        if number % 3 == 0:
            losses.heard(number, True, (*table.receive(PEER, 1, number, 0), 0))
        elif number % 3 == 1:
            losses.refused(number)
    assert len(losses._missing) <= MOST_KEPT
    assert len(losses._refused._firsts) <= MOST_RUNS
    lost = total - total // 3
    assert losses.split(lost, 0, total + 1, 0) == Directions(lost - (total + 2) // 3, 0, 0, (total + 2) // 3, 0)


def test_refusals_without_any_reply_are_bounded() -> None:
    """Each second request is refused, and nobody answers."""
    losses = Losses()
    for number in range(1, 10 * MOST_RUNS, 2):
        losses.refused(number)
    assert len(losses._refused._firsts) == MOST_RUNS
    refused = 5 * MOST_RUNS
    assert losses.split(2 * refused, 0, 10 * MOST_RUNS, 0) == Directions(0, 0, 0, refused, refused)


def test_runs() -> None:
    """Consecutive numbers lie together."""
    runs = Runs()
    for first, last in ((1, 1), (2, 2), (3, 9), (20, 29), (15, 15)):
        runs.add(first, last)
    assert [number for number in range(40) if number in runs] == [*range(1, 10), 15, *range(20, 30)]
    assert (runs.up_to(0), runs.up_to(5), runs.up_to(22), runs.up_to(99)) == (0, 5, 13, 20)
    assert runs.pop(22) == [(1, 9), (15, 15), (20, 22)]
    assert runs.pop(99) == [(23, 29)]
    assert not runs
