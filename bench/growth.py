"""What the daemon's answers cost as there is more of everything: peers, listeners, control clients.

Each quantity grows while all else stays; the sizes take turns, round by round, and the figures are medians of
ratios to the smallest.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import machine, options
from bench.arena import Arena, two_hosts
from bench.load import Case, Generator, compile_generator
from bench.responders import HERE, INTERFACE, Site, config, rawechod
from tests.lab import Daemon, Host, join, wait_for

PEERS = (1, 10, 100, 1000, 10_000)
LISTENERS = (1, 4, 16)
CLIENTS = (0, 10, 100)
CASE = Case(64, 60)
GOAL = 1.1
Measure = Callable[[], dict[str, Any]]


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("growth", __doc__, "the ratios")
    options.add_rounds(parser, rounds=5, duration=0.3)
    return parser.parse_args(argv)


@contextlib.contextmanager
def _asked(arena: Arena, engine: str, listeners: int = 1) -> Iterator[tuple[Daemon, Generator]]:
    """A daemon with so many listeners, and a generator that asks the first."""
    near, far = arena.places
    more = [f"spare{number}" for number in range(1, listeners)]
    with two_hosts() as (a, b):
        for interface in more:
            _spare(a, b, interface)
        text = "".join(config(engine, interface=interface) for interface in (INTERFACE, *more))
        with rawechod(Site(b, arena.directory, "plain", far), engine, text) as daemon:
            generator = Generator(a, arena.program, arena.wait, near)
            generator.wait_answered("plain")
            far.take(daemon.process.pid)
            yield daemon, generator


def _spare(a: Host, b: Host, interface: str) -> None:
    """Another cable, whose listener has nothing to do."""
    number = int(interface.removeprefix("spare"))
    join(a, b, interface, (f"02:00:00:00:01:{number:02x}", f"02:00:00:00:02:{number:02x}"))


@contextlib.contextmanager
def _watched(daemon: Daemon, clients: int) -> Iterator[None]:
    """So many control clients, each watching: a look a second."""
    if not clients:
        yield
        return
    command = [sys.executable, str(HERE / "watchers.py"), str(daemon.control), str(clients)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as watchers:
        assert watchers.stdout
        wait_for(watchers.stdout.readline, "all clients to have had an answer")
        yield
        watchers.kill()


def _peers(arena: Arena, engine: str, duration: float, rounds: int) -> dict[int, list[dict[str, Any]]]:
    with _asked(arena, engine) as (daemon, generator):
        pid = daemon.process.pid
        return _in_turns(
            PEERS, rounds, lambda peers: generator.measure(CASE, duration, pid, "--peers", str(peers))
        )


def _listeners(arena: Arena, engine: str, duration: float, rounds: int) -> dict[int, list[dict[str, Any]]]:
    with contextlib.ExitStack() as stack:
        hosts = {count: stack.enter_context(_asked(arena, engine, count)) for count in LISTENERS}

        def measure(count: int) -> dict[str, Any]:
            daemon, generator = hosts[count]
            return generator.measure(CASE, duration, daemon.process.pid)

        return _in_turns(LISTENERS, rounds, measure)


def _clients(arena: Arena, engine: str, duration: float, rounds: int) -> dict[int, list[dict[str, Any]]]:
    with _asked(arena, engine) as (daemon, generator):

        def measure(count: int) -> dict[str, Any]:
            with _watched(daemon, count):
                return generator.measure(CASE, duration, daemon.process.pid)

        return _in_turns(CLIENTS, rounds, measure)


def _in_turns(
    sizes: Sequence[int], rounds: int, measure: Callable[[int], dict[str, Any]]
) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            found[size].append(measure(size))
    return found


def _summary(found: dict[int, list[dict[str, Any]]]) -> list[dict[str, float]]:
    """For each size frames a second, and what a frame costs against the smallest: both ends' CPU, and time."""
    smallest = next(iter(found.values()))
    return [
        {
            "size": size,
            "frames_per_s": statistics.median(each["frames_per_s"] for each in samples),
            "time_ratio": _ratio(smallest, samples, "frames_per_s"),
            "cpu_ratio": _ratio(samples, smallest, "ends_us"),
            "rtt_p99_us": statistics.median(each["rtt_p99_us"] for each in samples),
            "lost": sum(each["lost"] for each in samples),
            "rss_mib": max(each["rss_mib"] for each in samples),
        }
        for size, samples in found.items()
    ]


def _ratio(above: list[dict[str, Any]], below: list[dict[str, Any]], field: str) -> float:
    ratios: list[float] = [a[field] / b[field] for a, b in zip(above, below, strict=True)]
    return round(statistics.median(ratios), 3)


GROWTHS = {"peers": _peers, "listeners": _listeners, "control clients": _clients}


def _measure(arguments: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    with tempfile.TemporaryDirectory(prefix="rawecho-bench-") as place:
        directory = Path(place)
        places = machine.places(True, arguments.realtime)
        arena = Arena(compile_generator(directory), directory, "auto", places)
        return {
            f"{what}, {engine}": _summary(measure(arena, engine, arguments.duration, arguments.rounds))
            for what, measure in GROWTHS.items()
            for engine in ("epoll", "ebpf")
        }


def _print(found: dict[str, list[dict[str, float]]]) -> None:
    for what, rows in found.items():
        print(f"\n{what:<24}{'frames/s':>10}{'time':>7}{'CPU':>7}{'p99':>11}{'lost':>7}{'RSS':>10}")
        for row in rows:
            print(
                f"{row['size']:>24,}{row['frames_per_s']:>10,.0f}{row['time_ratio']:>7.2f}{row['cpu_ratio']:>7.2f}"
                f"{row['rtt_p99_us']:>8.1f} us{row['lost']:>7}{row['rss_mib']:>6.1f} MiB"
            )


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    arguments = _arguments(argv)
    if not machine.have_root():
        return machine.NO_ROOT
    found = _measure(arguments)
    print("64 outstanding, 60 octets; time and CPU a frame as ratios to the smallest")
    _print(found)
    for engine in ("epoll", "ebpf"):
        most = found[f"peers, {engine}"][-1]["time_ratio"]
        print(f"\ngoal: 10,000 peers cost at most {GOAL} times one, {engine}: {most}", end="")
        print(": met" if most <= GOAL else ": NOT MET")
    if arguments.json:
        arguments.json.write_text(json.dumps({"facts": machine.facts(), "growth": found}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
