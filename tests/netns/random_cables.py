"""Probes through cables that do what chance says, and where their summaries are not what the cable saw.

    python -m tests.netns.random_cables --runs 200 --engine epoll

Needs root. The cable's own log is the judge. Prints a line for each figure that is not true, and at the end how
often each was wrong; a run that nobody outside can judge (the machine stalled at a limit) is counted as such.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.lab import MAC_B, Daemon
from tests.netns.cable import CLEAN, DROP, Action, Cable, Inconclusive, Script
from tests.netns.conftest import ENGINES, table
from tests.netns.truth import Disagreement, Run, Truth, disagreements, seek

MS = 1_000_000
TIMEOUT, SIZE = 150 * MS, 100
TAIL = 40
"""The last frames pass, so that what was put behind others comes out."""
SLOW_TAIL, LATE_TAIL = 150 * MS, 500 * MS
"""Frames of the last so many nanoseconds are not delayed, or not beyond the timeout: all that comes comes before
the run ends."""
ATTEMPTS = 5
PDU, SEQ = 14, 22


@dataclass(frozen=True, slots=True)
class Pace:
    """A run's requests."""

    interval: int
    count: int

    def frames(self, duration: int) -> int:
        """So many in this time."""
        return duration // self.interval

    @property
    def seq_masks(self) -> tuple[tuple[int, int], ...]:
        """Octets of the number, and masks; other bits make it that of a request that leaves at the same time."""
        return tuple((SEQ + 3 - bit // 8, 1 << bit % 8) for bit in range(self.frames(50 * MS).bit_length(), 32))


PACES = {"slow": Pace(MS, 800), "quick": Pace(MS // 10, 6000)}
"""With the kernel's transmit stamps, and without: two implementations of the prober."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How likely each fault is for a frame; of those that remain, nothing happens."""

    drop: float
    burst: float
    """That a burst of losses begins."""
    copies: float
    behind: float
    delay: float
    late: float
    corrupt: float


MIXES = {
    "mild": Mix(drop=0.01, burst=0.001, copies=0.01, behind=0.01, delay=0.005, late=0.003, corrupt=0.005),
    "heavy": Mix(drop=0.06, burst=0.004, copies=0.06, behind=0.06, delay=0.03, late=0.02, corrupt=0.03),
    "losing": Mix(drop=0.3, burst=0.01, copies=0.02, behind=0.02, delay=0, late=0, corrupt=0),
    "repeating": Mix(drop=0.02, burst=0.001, copies=0.3, behind=0.05, delay=0.05, late=0, corrupt=0),
    "shuffling": Mix(drop=0.03, burst=0.001, copies=0.05, behind=0.3, delay=0.1, late=0.01, corrupt=0),
    "corrupting": Mix(drop=0.02, burst=0.001, copies=0.02, behind=0.02, delay=0, late=0.005, corrupt=0.2),
}


class Chance:
    """What happens to the frames of one run, as a seed has it."""

    def __init__(self, seed: int, mix: str, pace: Pace) -> None:
        self._chance = random.Random(f"{seed} {mix} {pace}")
        self._mix, self._pace = MIXES[mix], pace

    def scripts(self) -> tuple[Script, Script]:
        """There and back."""
        there = self._script(self._pace.count)
        # A corrupted request is perhaps not answered: then the last frames that pass are some more.
        changes = sum(action.copies - 1 - bool(action.xor) for action in there.frames.values())
        return there, self._script(self._pace.count + changes)

    def _script(self, count: int) -> Script:
        """What one direction does with so many frames."""
        frames: dict[int, Action] = {}
        number = 1
        while number <= count - TAIL:
            lost = self._lost()
            for each in range(number, min(number + lost, count - TAIL + 1)):
                frames[each] = DROP
            if not lost and (action := self._fault(count - number)):
                frames[number] = action
            number += max(lost, 1)
        return Script(frames)

    def _lost(self) -> int:
        if self._chance.random() < self._mix.burst:
            return self._chance.randint(3, 90)
        return int(self._chance.random() < self._mix.drop)

    def _fault(self, following: int) -> Action | None:
        """What befalls a frame that so many others follow."""
        chance, mix = self._chance, self._mix
        kinds = ("copies", "behind", "delay", "late", "corrupt")
        drawn = [kind for kind in kinds if chance.random() < getattr(mix, kind)]
        slow = following >= self._pace.frames(SLOW_TAIL)
        match drawn[0] if drawn else None:
            case "copies":
                return Action(copies=chance.randint(2, 4), gap=chance.choice((0, MS // 10, 5 * MS)) * slow)
            case "behind":
                return Action(behind=chance.choice((1, 1, 2, 5, 30)))
            case "delay" if slow:
                return Action(delay=chance.randint(MS // 10, 30 * MS))
            case "late" if following >= self._pace.frames(LATE_TAIL):
                return Action(delay=chance.randint(TIMEOUT + 50 * MS, TIMEOUT + 80 * MS))
            case "corrupt":
                return Action(xor=self._corruption())
        return None

    def _corruption(self) -> tuple[int, int]:
        """An octet anywhere in the frame, and a mask; as often in the headers as in the payload."""
        offset = self._chance.choice((self._chance.randrange(PDU + 46), self._chance.randrange(SIZE)))
        if SEQ <= offset < SEQ + 4:
            return self._chance.choice(self._pace.seq_masks)
        return offset, 1 << self._chance.randrange(8)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    summary: dict[str, Any]
    truth: Truth
    wrong: list[Disagreement]
    """Empty where there are doubts."""


class Bench:
    """A cable with a daemon at each end, for many runs."""

    def __init__(self, cable: Cable, prober: Daemon) -> None:
        self._cable = cable
        self._prober = prober

    def run(self, there: Script, back: Script, pace: Pace) -> Outcome:
        """Probe through these scripts."""
        order = ("-c", str(pace.count), "-i", f"{pace.interval}ns", "-W", f"{TIMEOUT}ns", "-s", str(SIZE), "-q")
        with self._cable.forwarding(there, back) as forwarding:
            summary = self._prober.probe(MAC_B, *order)
            log = forwarding.finish()
        truth = seek(log, Run(TIMEOUT, round(summary["duration_s"] * 1e9)))
        return Outcome(summary, truth, [] if truth.doubts else disagreements(summary, truth))

    def judged(self, there: Script = CLEAN, back: Script = CLEAN, pace: Pace = PACES["slow"]) -> Outcome:
        """The same, again where the machine stalled so that nobody outside can judge it."""
        for _ in range(ATTEMPTS):
            if not (outcome := self.run(there, back, pace)).truth.doubts:
                return outcome
        raise Inconclusive(f"{ATTEMPTS} runs, and of each there are doubts: {outcome.truth.doubts}")


@contextlib.contextmanager
def bench(engine: str) -> Iterator[Bench]:
    """For the length of a block."""
    with contextlib.ExitStack() as stack:
        cable = stack.enter_context(contextlib.closing(Cable()))
        far = table(engine=engine, ethertype="ETH_P_802_EX1", rate_limit=0, peer_rate_limit=0)
        daemons = [Daemon(cable.a, table()), Daemon(cable.b, far)]
        for daemon in daemons:
            stack.callback(daemon.close)
        for daemon in daemons:
            daemon.wait_ready()
        yield Bench(cable, daemons[0])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="random_cables", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first; default: %(default)s")
    parser.add_argument("--engine", choices=ENGINES, default="epoll", help="the responder's; default: %(default)s")
    parser.add_argument("--mix", choices=MIXES, help="default: all, by turns")
    parser.add_argument("--pace", choices=PACES, help="default: both, by turns")
    return parser.parse_args(argv)


class Table:
    """What came of many runs."""

    def __init__(self) -> None:
        self._runs: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self._lost = self._undetermined = 0

    def judge(self, name: str, outcome: Outcome) -> None:
        """One more; prints what is wrong in it."""
        truth = outcome.truth
        if truth.doubts:
            self.give_up(name, truth.doubts[0])
            return
        self._runs["wrong" if outcome.wrong else "exact"] += 1
        self._lost += truth.lost - truth.late
        self._undetermined += outcome.summary.get("lost_undetermined", 0)
        for each in outcome.wrong:
            self.wrong[each.figure] += 1
            print(f"{name:24} {each}", flush=True)

    def give_up(self, name: str, why: object) -> None:
        """One more, and nobody can say whether its figures are true."""
        self._runs["not judged"] += 1
        print(f"{name:24} not judged: {why}", flush=True)

    def __str__(self) -> str:
        runs = ", ".join(f"{self._runs[kind]} {kind}" for kind in ("exact", "wrong", "not judged"))
        wrong = ", ".join(f"{figure} in {number}" for figure, number in self.wrong.most_common())
        return (
            f"runs: {runs}\nwrong: {wrong or 'nothing'}\nundetermined: {self._undetermined} of {self._lost} losses"
        )


def main(argv: Sequence[str]) -> int:
    """Run them: 0 where every figure was true."""
    arguments = _arguments(argv)
    found = Table()
    every = [(mix, pace) for mix in MIXES for pace in PACES]
    chosen = [each for each in every if arguments.mix in (None, each[0]) and arguments.pace in (None, each[1])]
    with bench(arguments.engine) as made:
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            mix, pace = chosen[seed % len(chosen)]
            name = f"{seed} {mix} {pace}"
            try:
                found.judge(name, made.run(*Chance(seed, mix, PACES[pace]).scripts(), PACES[pace]))
            except Inconclusive as error:
                found.give_up(name, error)
    print(f"{arguments.engine}: {found}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
