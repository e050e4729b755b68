"""`rawechoctl status` as a whole process, against the same Python doing nothing.

Pairs of runs, one right after the other, so that what else the machine does meets both alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab import Daemon, Host

GOAL = 3.0
PYTHON = Path(sys.executable)
RAWECHOCTL = PYTHON.parent / "rawechoctl"
CONFIG = '[echo]\ninterface = "lo"\nethertype = "ETH_P_802_EX1"\n'
# An installed program has its bytecode beside it: one that may not keep it would compile itself anew each time.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the pairs."""

    pairs: int
    status_ms: float
    python_ms: float
    ratio: float
    """Of the medians."""


def _elapsed_ms(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return (time.perf_counter() - began) * 1000


def measure(control: Path, pairs: int) -> Result:
    """Time both programs `pairs` times, after one pair that fills the caches."""
    status = (str(RAWECHOCTL), "--socket", str(control), "status")
    nothing = (str(PYTHON), "-c", "pass")
    _elapsed_ms(nothing), _elapsed_ms(status)
    times = [(_elapsed_ms(nothing), _elapsed_ms(status)) for _ in range(pairs)]
    python_ms = statistics.median(pair[0] for pair in times)
    status_ms = statistics.median(pair[1] for pair in times)
    return Result(pairs, round(status_ms, 2), round(python_ms, 2), round(status_ms / python_ms, 3))


def main(argv: Sequence[str]) -> int:
    """Start a daemon, measure, print."""
    parser = argparse.ArgumentParser(prog="bench.status", description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians here")
    arguments = parser.parse_args(argv)
    if os.geteuid():
        print("bench: needs root, for the daemon's raw socket", file=sys.stderr)
        return 77
    with contextlib.closing(Host("bench")) as host, contextlib.closing(Daemon(host, CONFIG)) as daemon:
        daemon.wait_ready()
        result = measure(daemon.control, arguments.pairs)
    print(f"rawechoctl status  {result.status_ms:8.1f} ms")
    print(f"python3 -c pass    {result.python_ms:8.1f} ms")
    print(f"ratio              {result.ratio:8.2f}     (goal: at most {GOAL}; {result.pairs} pairs, medians)")
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(result), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
