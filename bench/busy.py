"""100,000 requests a second between two daemons of the epoll engine, beside processes that never sleep.

What is lost, and where as the summary says it, beside what the interfaces and the responder counted: on a clean
veth pair nothing may be laid on the path. With --against another checkout takes turns, built by `make setup`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.arena import two_hosts
from bench.responders import INTERFACE, config
from tests.lab import MAC_B, REPOSITORY, Daemon, Host

PARTS = ("lost_forward", "lost_backward", "lost_responder", "lost_here", "late", "lost_undetermined")
LOOP = (sys.executable, "-c", "while True: pass")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted beside the probe, at one moment or between two."""

    there: int
    """Frames that the prober's interface sent."""
    arrived_there: int
    back: int
    """Frames that the responder's interface sent."""
    arrived_back: int
    kernel_drops: int
    """By the responder's receive buffer."""

    def since(self, before: Seen) -> Seen:
        """What has come since."""
        pairs = zip(asdict(self).values(), asdict(before).values(), strict=True)
        return Seen(*(now - then for now, then in pairs))


@dataclass(frozen=True, slots=True)
class Round:
    """One probe."""

    state: str
    summary: dict[str, Any]
    seen: Seen

    @property
    def laid_on_the_path(self) -> int:
        """Losses of the path by the summary, beyond those that the interfaces show."""
        path = self.seen.there - self.seen.arrived_there + self.seen.back - self.seen.arrived_back
        return max(int(self.summary["lost_forward"]) + int(self.summary["lost_backward"]) - path, 0)

    def row(self) -> list[str]:
        """For the table."""
        told = [self.summary[name] for name in ("sent", "received", "lost")]
        told += [self.summary.get(part, "-") for part in PARTS]
        rate = round(self.summary["sent"] / self.summary["duration_s"])
        return [self.state, *map(str, [*told, *asdict(self.seen).values(), self.laid_on_the_path, rate])]


COLUMNS = (
    *("state", "sent", "received", "lost", "forward", "backward", "responder", "here", "late", "undetermined"),
    *("a sent", "b got", "b sent", "a got", "b dropped", "false", "requests/s"),
)


class Pair:
    """A prober and a responder of one checkout, on a cable of their own."""

    def __init__(
        self, state: str, checkout: Path, hosts: tuple[Host, Host], daemons: tuple[Daemon, Daemon]
    ) -> None:
        self.state = state
        self._checkout, self._hosts, self._daemons = checkout, hosts, daemons

    def round(self, arguments: argparse.Namespace) -> Round:
        """Probe once."""
        order = ("probe", MAC_B, "--interval", arguments.interval, "--count", str(arguments.count), "--quiet")
        before = self._seen()
        with beside(arguments.beside):
            result = self._ctl(*order)
        return Round(self.state, result, self._seen().since(before))

    def _ctl(self, *arguments: str) -> dict[str, Any]:
        socket = ("--socket", str(self._daemons[0 if arguments[0] == "probe" else 1].control))
        command = (sys.executable, "-m", "rawechoctl", *socket, "--json=short", *arguments)
        environment = os.environ | elsewhere(self._checkout)
        result = subprocess.run(command, text=True, capture_output=True, env=environment, cwd="/", check=False)
        if not result.stdout:
            raise SystemExit(f"bench: rawechoctl {arguments[0]} failed: {result.stderr}")
        return dict(json.loads(result.stdout.splitlines()[-1]))

    def _seen(self) -> Seen:
        (a_sent, a_got), (b_sent, b_got) = (_counters(host) for host in self._hosts)
        return Seen(a_sent, b_got, b_sent, a_got, self._ctl("status")["listeners"][0]["kernel_drops"])


def _counters(host: Host) -> tuple[int, int]:
    """Frames that the interface sent, and those that it received."""
    stats = json.loads(host.ip("-s", "-json", "link", "show", INTERFACE))[0]["stats64"]
    return stats["tx"]["packets"], stats["rx"]["packets"]


def elsewhere(checkout: Path) -> dict[str, str]:
    """The environment in which Python imports the programs of this checkout."""
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(checkout)}


@contextlib.contextmanager
def beside(count: int) -> Iterator[None]:
    """So many processes that never sleep."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen(LOOP))
            stack.callback(process.kill)
        yield


@contextlib.contextmanager
def pair(state: str, checkout: Path) -> Iterator[Pair]:
    """For the length of a block."""
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(two_hosts())
        a, b = (Daemon(host, config("epoll"), environment=elsewhere(checkout)) for host in hosts)
        for daemon in (a, b):
            stack.callback(daemon.close)
        for daemon in (a, b):
            daemon.wait_ready()
        yield Pair(state, checkout, hosts, (a, b))


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.busy", description=__doc__)
    parser.add_argument("--count", type=int, default=300_000, help="requests a round; default: %(default)s")
    parser.add_argument("--interval", default="10us", help="default: %(default)s")
    parser.add_argument("--beside", type=int, default=4, metavar="N", help="busy processes; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, which takes turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds here")
    return parser.parse_args(argv)


def _print(rounds: Sequence[Round]) -> None:
    rows = [COLUMNS, *(each.row() for each in rounds)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    for state in dict.fromkeys(each.state for each in rounds):
        own = [each for each in rounds if each.state == state]
        lost = statistics.median(each.summary["lost"] / each.summary["sent"] for each in own)
        print(
            f"{state}: {lost:.4%} lost (median); laid on the path: {sum(each.laid_on_the_path for each in own):,}"
        )


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    arguments = _arguments(argv)
    if not machine.have_root():
        return machine.NO_ROOT
    states = {"this": REPOSITORY} | ({"against": arguments.against.resolve()} if arguments.against else {})
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(pair(*each)) for each in states.items()]
        rounds = [each.round(arguments) for _ in range(arguments.rounds) for each in pairs]
    machine.print_facts(machine.facts())
    _print(rounds)
    if arguments.json:
        found = {"facts": machine.facts(), "rounds": [asdict(each) for each in rounds]}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
