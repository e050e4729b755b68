"""Frames a second and round trip time of each responder, over a veth pair, in one run.

A closed loop: so many requests are on their way at any time, each answer lets the next one go. The
responders take turns, round by round, so that what else the machine does meets them all alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.load import Case, Generator, Sample
from bench.responders import DEFAULT, RESPONDERS
from bench.summary import summarise, table
from tests.lab import Host, join

GENERATOR = {
    "auto": "sleeps while its only request is on its way, spins where there are more",
    "sleep": "sleeps in poll",
    "spin": "spins on its receive ring",
}


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in RESPONDERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(RESPONDERS)}")
    return names


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    known = "; ".join(f"{name}: {row.what}" for name, row in RESPONDERS.items())
    parser = argparse.ArgumentParser(prog="bench.reflect", description=__doc__, epilog=known)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=1.0, metavar="S", help="of each measurement")
    parser.add_argument("--outstanding", type=_numbers, default=[1, 64], metavar="N,N")
    parser.add_argument("--sizes", type=_numbers, default=[60], metavar="N,N", help="without FCS")
    parser.add_argument(
        "--responders", type=_names, default=list(DEFAULT), metavar="NAME,NAME", help="first the measure"
    )
    parser.add_argument("--wait", choices=GENERATOR, default="auto", help="what the generator does meanwhile")
    parser.add_argument("--no-pin", action="store_true", help="leave the choice of cores to the scheduler")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write limits, samples and summary here")
    return parser.parse_args(argv)


def _pins(arguments: argparse.Namespace) -> tuple[int, int] | tuple[None, None]:
    """The generator's core and the responder's: one for each, or as the scheduler likes."""
    cores = sorted(os.sched_getaffinity(0))
    if arguments.no_pin or len(cores) < 2:
        return None, None
    return cores[0], cores[-1]


def _limits(arguments: argparse.Namespace) -> dict[str, str]:
    """What the figures depend on."""
    first, last = _pins(arguments)
    return {
        "link": "veth pair between two network namespaces",
        "kernel": platform.release(),
        "cores": f"{len(os.sched_getaffinity(0))} of {_model()}",
        "used": "any" if first is None else f"generator on core {first}, responder on core {last}",
        "generator": GENERATOR[arguments.wait],
        "rounds": f"{arguments.rounds} of {arguments.duration} s each, interleaved; medians",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _say(progress: str) -> None:
    """Show it on a line that the next one replaces, to a person only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def _measure(arguments: argparse.Namespace, a: Host, b: Host, directory: Path) -> list[Sample]:
    first, last = _pins(arguments)
    generator = Generator(a, directory, arguments.wait, first)
    cases = [Case(outstanding, size) for outstanding in arguments.outstanding for size in arguments.sizes]
    samples = []
    for number in range(1, arguments.rounds + 1):
        for name in arguments.responders:
            _say(f"round {number} of {arguments.rounds}: {name}")
            with RESPONDERS[name].run(b, directory) as pid:
                if last is not None:
                    os.sched_setaffinity(pid, {last})
                generator.wait_answered()
                samples += [generator.measure(name, pid, case, arguments.duration) for case in cases]
    _say("")
    return samples


@contextlib.contextmanager
def _two_hosts() -> Iterator[tuple[Host, Host]]:
    with contextlib.closing(Host("bench-a")) as a, contextlib.closing(Host("bench-b")) as b:
        join(a, b)
        yield a, b


def main(argv: Sequence[str]) -> int:
    """Measure, print the table, and write the JSON that was asked for."""
    arguments = _arguments(argv)
    if os.geteuid():
        print("bench: needs root, for network namespaces and raw sockets", file=sys.stderr)
        return 77
    limits = _limits(arguments)
    with _two_hosts() as (a, b), tempfile.TemporaryDirectory(prefix="rawecho-bench-") as directory:
        samples = _measure(arguments, a, b, Path(directory))
    rows = summarise(samples, arguments.responders[0])
    print("\n".join(f"{key:>12}: {value}" for key, value in limits.items()))
    print("\n".join(f"{name:>12}: {RESPONDERS[name].what}" for name in arguments.responders))
    print(table(rows))
    if arguments.json:
        found = {"limits": limits, "summary": [*map(asdict, rows)], "samples": [*map(asdict, samples)]}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
