"""The prober at its quickest: 100,000 requests a second for ten seconds, asked of another daemon's ebpf engine."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine, options
from bench.arena import two_hosts
from bench.responders import INTERFACE, Site, config, rawechod
from tests.lab import MAC_B, Daemon

GOAL = 100_000


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("prober", __doc__, "the probe's summary")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--interval", default="10us")
    parser.add_argument("--engine", default="ebpf", help="the responder's")
    return parser.parse_args(argv)


def _probe(daemon: Daemon, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it: the summary."""
    pace = ["--interval", arguments.interval, "--count", str(arguments.count), "--interface", INTERFACE]
    result = daemon.ctl("--json=short", "probe", MAC_B, *pace, "--quiet", timeout=170)
    if result.returncode not in (0, 1) or not result.stdout:
        raise SystemExit(f"bench: rawechoctl probe failed: {result.stderr}")
    return dict(json.loads(result.stdout.splitlines()[-1]))


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    near, far = machine.places(True, arguments.realtime)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rawecho-bench-")))
        a, b = stack.enter_context(two_hosts())
        places = ((a, near, "epoll"), (b, far, arguments.engine))
        daemons = []
        for host, place, engine in places:
            site = Site(host, directory, "plain", place)
            daemons.append(stack.enter_context(rawechod(site, engine, config(engine))))
            place.take(daemons[-1].process.pid)
        found = _probe(daemons[0], arguments)
        return found | {"rss_mib": machine.resident_mib(daemons[0].process.pid)}


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    arguments = _arguments(argv)
    if not machine.have_root():
        return machine.NO_ROOT
    found = _measure(arguments)
    rate = found["sent"] / found["duration_s"]
    accounted = found["received"] + found["lost"] == found["sent"]
    met = rate >= 0.98 * GOAL and not found["lost"] and accounted
    print(
        f"{found['sent']:,} requests in {found['duration_s']:.1f} s: {rate:,.0f} a second, {found['lost']:,} lost"
    )
    print(f"rtt p50 {found['rtt_ns']['p50'] / 1000:.1f} us, p99 {found['rtt_ns']['p99'] / 1000:.1f} us")
    print(f"goal: {GOAL:,} a second, none lost, each accounted: {'met' if met else 'NOT MET'}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"facts": machine.facts(), "summary": found}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
