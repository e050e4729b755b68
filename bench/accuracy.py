"""The probe's round trips beside fping's, over the same veth pair, idle and under load.

The instruments take turns, round by round, so that what else the machine does meets them alike. fping is
answered by the kernel, the probe by rawechod's epoll engine or by its ebpf engine; each asks every 5 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.lab import MAC_B, Daemon, Host, join

CONFIG = '[[echo]]\ninterface = "eth1"\nethertype = "ETH_P_802_EX1"\nengine = "{}"\n'
ADDRESSES = ("192.0.2.1", "192.0.2.2")
COUNT = 200

Figures = dict[str, float]
"""Medians, microseconds, by what was measured."""


def _probe(daemon: Daemon) -> Figures:
    summary = daemon.probe(MAC_B, "-c", str(COUNT), "-i", "5ms", "-q")
    residence = (summary["residence_ns"] or {"mean": 0})["mean"]
    rtt = summary["rtt_ns"]["p50"]
    return {"rtt": rtt / 1000, "rtt and residence": (rtt + residence) / 1000}


def _fping(host: Host) -> Figures:
    result = host.run("fping", "-C", str(COUNT), "-p", "5", "-q", ADDRESSES[1], capture_output=True)
    times = [float(word) for word in result.stderr.split(":", 1)[1].split() if word != "-"]
    return {"rtt": statistics.median(times) * 1000}


@contextlib.contextmanager
def _load(busy: bool) -> Iterator[None]:
    """One process a core that never rests."""
    spinners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range((os.cpu_count() or 1) * busy)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


@contextlib.contextmanager
def _instruments() -> Iterator[dict[str, Callable[[], Figures]]]:
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(contextlib.closing(Host(name))) for name in ("left", "right")]
        join(hosts[0], hosts[1])
        for host, address in zip(hosts, ADDRESSES, strict=True):
            host.ip("address", "add", f"{address}/24", "dev", "eth1")
        near = stack.enter_context(contextlib.closing(Daemon(hosts[0], CONFIG.format("epoll"))))
        near.wait_ready()

        def against(engine: str) -> Callable[[], Figures]:
            def run() -> Figures:
                with contextlib.closing(Daemon(hosts[1], CONFIG.format(engine))) as far:
                    far.wait_ready()
                    return _probe(near)

            return run

        yield {
            "fping": lambda: _fping(hosts[0]),
            "probe, epoll engine": against("epoll"),
            "probe, ebpf engine": against("ebpf"),
        }


def measure(rounds: int, busy: bool) -> dict[str, Figures]:
    """The medians over the rounds of each instrument's medians."""
    samples: dict[str, list[Figures]] = {}
    with _instruments() as instruments, _load(busy):
        for _ in range(rounds):
            for name, run in instruments.items():
                samples.setdefault(name, []).append(run())
    return {
        name: {key: round(statistics.median(one[key] for one in found), 1) for key in found[0]}
        for name, found in samples.items()
    }


def main(argv: Sequence[str]) -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(prog="bench.accuracy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians here")
    arguments = parser.parse_args(argv)
    if not shutil.which("fping"):
        print("bench.accuracy: fping is missing: apt-get install fping", file=sys.stderr)
        return 1
    results = {name: measure(arguments.rounds, busy) for name, busy in (("idle", False), ("under load", True))}
    print(f"medians of {arguments.rounds} rounds of {COUNT} requests, microseconds\n")
    for state, figures in results.items():
        for name, values in figures.items():
            told = ", ".join(f"{key} {value:g}" for key, value in values.items())
            print(f"{state:<11} {name:<20} {told}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
