"""The goals that `bench.reflect` can tell of, and whether this run met them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.load import Case, Sample
from bench.responders import BASELINE
from bench.summary import Row, ratio

ALONE, BUSY = Case(1, 60), Case(64, 60)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of a ratio between two responders in one case."""

    responder: str
    reference: str
    case: Case
    field: str
    bound: float
    least: bool = False
    """The ratio must be at least the bound, else at most."""


GOALS = (
    Goal("epoll", BASELINE, BUSY, "frames_per_s", 1.25, least=True),
    Goal("epoll", BASELINE, ALONE, "rtt_p50_us", 1.05),
    Goal("ebpf", BASELINE, ALONE, "rtt_p50_us", 0.08),
    Goal("ebpf", BASELINE, ALONE, "cpu_us", 0.35),
    Goal("ebpf", BASELINE, ALONE, "ends_us", 0.35),
    Goal("ebpf", BASELINE, BUSY, "cpu_us", 0.35),
    Goal("ebpf", BASELINE, BUSY, "ends_us", 0.35),
    Goal("ebpf", "testpmd", BUSY, "frames_per_s", 1.2, least=True),
    Goal("ebpf-both", "testpmd", BUSY, "frames_per_s", 1.2, least=True),
    Goal("ebpf-rps", "testpmd", BUSY, "frames_per_s", 1.2, least=True),
)


def table(rows: Sequence[Row], samples: Sequence[Sample]) -> str:
    """A line for each goal whose both sides were measured."""
    known = {(row.case, row.responder) for row in rows}
    judged = [goal for goal in GOALS if {(goal.case, goal.responder), (goal.case, goal.reference)} <= known]
    return "\n".join(["", "goals", *(_line(goal, _selector(samples, goal)) for goal in judged)])


def _selector(samples: Sequence[Sample], goal: Goal) -> Callable[[str], list[Sample]]:
    return lambda name: [each for each in samples if (each.responder, each.case) == (name, goal.case)]


def _line(goal: Goal, of: Callable[[str], list[Sample]]) -> str:
    found = ratio(of(goal.responder), of(goal.reference), goal.field)
    met = found >= goal.bound if goal.least else 0 < found <= goal.bound
    bound = f"{'>=' if goal.least else '<='} {goal.bound}"
    what = f"{goal.responder} / {goal.reference}, {goal.field}, {goal.case.outstanding} outstanding"
    return f"  {what:<55}{found:>7.3f}  goal {bound:<8}{'met' if met else 'NOT MET'}"
