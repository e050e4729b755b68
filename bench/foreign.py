"""What a listener costs the frames that are none of its business: nanoseconds each, on the host that gets them.

Frames of another EtherType are sent as fast as possible to a host without a listener, and to hosts that
differ in the listener's engine and `tap`, in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import machine, options
from bench.arena import two_hosts
from bench.responders import HERE, INTERFACE, Site, config, rawechod
from tests.lab import MAC_B
from tests.peers.build import compile_c

FOREIGN = "0x88B6"
"""The other EtherType for local experiments; no listener here asks for it."""
Flood = Callable[[], float]
LISTENERS = {
    "none": None,
    "epoll, tap protocol": ("epoll", "protocol"),
    "epoll, tap all": ("epoll", "all"),
    "ebpf, tap protocol": ("ebpf", "protocol"),
}


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = options.parser("foreign", __doc__, "the medians")
    options.add_rounds(parser, rounds=15, duration=0.2)
    return parser.parse_args(argv)


@contextlib.contextmanager
def _flooded(arguments: argparse.Namespace, directory: Path, listener: tuple[str, str] | None) -> Iterator[Flood]:
    """Two hosts, the second with this listener; gives what floods it and tells the nanoseconds a frame."""
    near, far = machine.places(True, arguments.realtime)
    command = [*near.prefix, str(directory / "flood"), INTERFACE, MAC_B, FOREIGN, str(arguments.duration)]
    with two_hosts() as (a, b), contextlib.ExitStack() as stack:
        if listener:
            engine, tap = listener
            site = Site(b, directory, "plain", far)
            stack.enter_context(rawechod(site, engine, config(engine, tap=tap)))
        yield lambda: float(a.run(*command).stdout)


def _measure(arguments: argparse.Namespace) -> dict[str, float]:
    """For each listener the median over the rounds of what it adds to a frame, nanoseconds; `none` in full."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rawecho-bench-")))
        compile_c([HERE / "flood.c"], directory / "flood")
        floods = {
            name: stack.enter_context(_flooded(arguments, directory, kind)) for name, kind in LISTENERS.items()
        }
        rounds = [{name: flood() for name, flood in floods.items()} for _ in range(arguments.rounds)]
    bare = statistics.median(found["none"] for found in rounds)
    added = {name: statistics.median(found[name] - found["none"] for found in rounds) for name in LISTENERS}
    return {name: round(value, 1) for name, value in (added | {"none": bare}).items()}


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    arguments = _arguments(argv)
    if not machine.have_root():
        return machine.NO_ROOT
    found = _measure(arguments)
    print(f"a foreign frame, sent and received, no listener: {found['none']:7.1f} ns")
    for name, value in found.items():
        if name != "none":
            print(f"  with a listener, {name:<22}{value:>+16.1f} ns")
    print("goal: as good as nothing with tap protocol, at most 150 ns with tap all")
    if arguments.json:
        arguments.json.write_text(json.dumps({"facts": machine.facts(), "ns": found}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
