"""Frames a second, round trip time and CPU time of each responder, over veth pairs, in one run.

A closed loop: so many requests are on their way at any time, each answer lets the next one go. The
responders take turns, round by round, so that what else the machine does meets them all alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench import goals, machine, options, picture
from bench.arena import Arena, all_seated
from bench.load import PLAIN, Case, Sample, cases, compile_generator
from bench.responders import BASELINE, MOST, RESPONDERS
from bench.summary import Row, summarise, table

GENERATOR = {
    "auto": "sleeps while its only request is on its way, spins where there are more",
    "sleep": "sleeps in poll",
    "spin": "spins on its receive ring",
}
CASES = "1x60,64x60,512x60,1x508,64x508,512x508,1x1514,64x1514,512x1514,64x60+vlan,64x64+pae"


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in RESPONDERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(RESPONDERS)}")
    return names


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    known = "; ".join(f"{name}: {row.what}" for name, row in RESPONDERS.items())
    parser = options.parser("reflect", __doc__, "facts, samples and summary", epilog=known)
    options.add_rounds(parser, rounds=5, duration=0.3)
    parser.add_argument(
        "--cases", type=cases, default=cases(CASES), metavar="OUTSTANDINGxSIZE[+KIND],...",
        help="sizes without FCS; kinds vlan and pae",
    )  # fmt: skip
    parser.add_argument(
        "--responders", type=_names, default=list(RESPONDERS), metavar="NAME,NAME", help="first the measure"
    )
    parser.add_argument("--wait", choices=GENERATOR, default="auto", help="what the generator does meanwhile")
    parser.add_argument("--no-pin", action="store_true", help="leave the choice of cores to the scheduler")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the first case and the second, as SVG")
    return parser.parse_args(argv)


def _facts(arguments: argparse.Namespace) -> dict[str, str]:
    """What the figures depend on."""
    first, last = machine.places(not arguments.no_pin, arguments.realtime)
    return {
        **machine.facts(),
        "used": "any" if first.core is None else f"generator on core {first.core}, responder on core {last.core}",
        "priority": "real time (SCHED_RR)" if arguments.realtime else "normal",
        "generator": GENERATOR[arguments.wait],
        "rounds": f"{arguments.rounds} of {arguments.duration} s each, interleaved; medians, medians of ratios",
        "limits": f"rate_limit and peer_rate_limit {MOST:,} frames/s: kept, never reached",
    }


def _say(progress: str) -> None:
    """Show it on a line that the next one replaces, to a person only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def _measure_kind(arguments: argparse.Namespace, arena: Arena, kind: str, names: list[str]) -> list[Sample]:
    """All rounds with frames of one kind."""
    wanted: list[Case] = [case for case in arguments.cases if case.kind == kind]
    names = [name for name in names if kind == PLAIN or not RESPONDERS[name].icmp]
    samples = []
    with all_seated(arena, names, kind) as seats:
        for number in range(1, arguments.rounds + 1):
            for case in wanted:
                _say(f"round {number} of {arguments.rounds}, {case}")
                for name, seat in seats.items():
                    if case.outstanding < len(seat.generators):
                        continue  # There is nothing to share out.
                    found = seat.measure(case, arguments.duration)
                    samples.append(Sample(responder=name, case=case, round=number, **found))
    _say("")
    return samples


def _measure(arguments: argparse.Namespace, names: list[str]) -> list[Sample]:
    with tempfile.TemporaryDirectory(prefix="rawecho-bench-") as place:
        directory = Path(place)
        places = machine.places(not arguments.no_pin, arguments.realtime)
        arena = Arena(compile_generator(directory), directory, arguments.wait, places)
        kinds = dict.fromkeys(case.kind for case in arguments.cases)
        return [sample for kind in kinds for sample in _measure_kind(arguments, arena, kind, names)]


def _write(arguments: argparse.Namespace, facts: dict[str, str], rows: list[Row], samples: list[Sample]) -> None:
    if arguments.json:
        found = {"facts": facts, "summary": [*map(asdict, rows)], "samples": [*map(asdict, samples)]}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    if arguments.picture:
        arguments.picture.write_text(picture.draw(rows, facts))


def main(argv: Sequence[str]) -> int:
    """Measure, print the table and the goals, write the files that were asked for."""
    arguments = _arguments(argv)
    if not machine.have_root():
        return machine.NO_ROOT
    facts = _facts(arguments)
    missing = {name: RESPONDERS[name].missing() for name in arguments.responders}
    present = [name for name, install in missing.items() if not install]
    samples = _measure(arguments, present)
    rows = summarise(samples, present[0])
    what = {name: RESPONDERS[name].what for name in present}
    absent = {name: f"NOT MEASURED, missing: {install}" for name, install in missing.items() if install}
    facts["others"] = (
        f"used {statistics.median(each.others_cpu for each in samples):.0%} of a core meanwhile (median)"
    )
    machine.print_facts(facts | what | absent)
    print(table(rows))
    if present[0] == BASELINE:
        print(goals.table(rows, samples))
    _write(arguments, facts | absent, rows, samples)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
