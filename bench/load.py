"""One measurement: generators on one host, whatever answers on the other."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import machine
from bench.machine import Place
from bench.responders import HERE, INTERFACE
from tests.lab import MAC_B, Host, wait_for
from tests.peers.build import compile_c

PLAIN, VLAN, PAE = "plain", "vlan", "pae"
FLAGS = {PLAIN: [], VLAN: ["--vlan", "100", "--pcp", "3"], PAE: ["--eapol"]}
"""What the generator is told for each kind of frame."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked for."""

    outstanding: int
    size: int
    """Octets without FCS and without tag."""
    kind: str = PLAIN

    def __str__(self) -> str:
        return f"{self.outstanding}x{self.size}" + ("" if self.kind == PLAIN else f"+{self.kind}")


def cases(text: str) -> list[Case]:
    """Read `64x60,64x60+vlan`."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)x(\d+)(?:\+(vlan|pae))?", part)
        if not match:
            raise argparse.ArgumentTypeError(f"{part!r}: give OUTSTANDINGxSIZE, OUTSTANDINGxSIZE+vlan or ...+pae")
        found.append(Case(int(match[1]), int(match[2]), match[3] or PLAIN))
    return found


@dataclass(frozen=True, slots=True)
class Sample:
    """What came of it."""

    responder: str
    case: Case
    round: int
    frames_per_s: float
    rtt_p50_us: float
    rtt_p99_us: float
    rtt_p999_us: float
    sent: int
    received: int
    lost: int
    mangled: int
    """Answers with another length or another tag than the request had."""
    cpu_us: float
    """CPU time a frame, of the whole machine, generator and soft interrupts included."""
    ends_us: float
    """CPU time a frame of generator and responder, with the soft interrupts that ran in them."""
    generator_cpu: float
    """Of one core. 1.0 for each generator that spins."""
    responder_cpu: float
    others_cpu: float
    """What the rest of the machine used meanwhile, soft interrupts on behalf of nobody included."""
    rss_mib: float


class Generator:
    """The closed-loop generator, bound to a host."""

    def __init__(self, host: Host, program: Path, wait: str, place: Place) -> None:
        self._host = host
        self._command = [*place.prefix, str(program), "--interface", INTERFACE, "--target", MAC_B]
        self._wait = wait

    def wait_answered(self, kind: str, *more: str) -> None:
        """Wait until somebody answers, however."""
        moment = (*FLAGS[kind], *more, "--duration", "0.01", "--warmup", "0", "--timeout", "0.005")

        def answered() -> bool:
            result = self.run(*moment)
            return bool(result["received"] or result["mangled"])

        wait_for(answered, "an answer to an echo request", timeout=30)

    def run(self, *arguments: str) -> dict[str, Any]:
        """One run of the generator: what it prints."""
        return dict(json.loads(self._host.run(*self._command, *arguments).stdout))

    def load(self, case: Case, duration_s: float, pid: int | None, *more: str) -> dict[str, Any]:
        """Run it against the responder with this process id: what it prints."""
        load = ["--outstanding", str(case.outstanding), "--size", str(case.size), *FLAGS[case.kind], *more]
        load += ["--spin"] if self._spins(case) else []
        load += [] if pid is None else ["--watch", str(pid)]
        return self.run(*load, "--duration", str(duration_s), "--warmup", "0.05")

    def measure(self, case: Case, duration_s: float, pid: int | None, *more: str) -> dict[str, Any]:
        """The same, this generator alone: the fields of a Sample beyond who and what."""
        return measure_together([self], case, duration_s, pid, *more)

    def _spins(self, case: Case) -> bool:
        """By default a lone frame finds both ends asleep, as a probe's does."""
        return self._wait == "spin" or (self._wait == "auto" and case.outstanding > 1)


def measure_together(
    generators: Sequence[Generator], case: Case, duration_s: float, pid: int | None, *more: str
) -> dict[str, Any]:
    """Run them at the same time, the requests shared out: the fields of a Sample beyond who and what."""
    share = replace(case, outstanding=case.outstanding // len(generators))
    with ThreadPoolExecutor(len(generators)) as pool:
        results = list(pool.map(lambda each: each.load(share, duration_s, pid, *more), generators))
    return _figures(results) | {"rss_mib": machine.resident_mib(pid)}


def _figures(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Frames add up; of times the worse counts; what is the whole machine's or the responder's is in each."""
    rtts = [result["rtt_ns"] or {} for result in results]
    sums = {
        key: sum(result[key] for result in results)
        for key in ("frames_per_s", "sent", "received", "lost", "mangled")
    }
    generators, responder = sum(one["generator_cpu"] for one in results), results[0]["responder_cpu"]
    frame_us = 1e6 / max(sums["frames_per_s"], 1)
    machine_cpu, ends = results[0]["machine_cpu"], generators + responder
    return {
        **{
            f"rtt_{key}_us": round(max(rtt.get(key, 0) for rtt in rtts) / 1000, 2)
            for key in ("p50", "p99", "p999")
        },
        **sums,
        "cpu_us": round(machine_cpu * frame_us, 3),
        "ends_us": round(ends * frame_us, 3),
        "generator_cpu": generators,
        "responder_cpu": responder,
        "others_cpu": round(machine_cpu - ends, 3),
    }


def compile_generator(directory: Path) -> Path:
    """Compile it."""
    return compile_c(sorted((HERE / "loadgen").glob("*.c")), directory / "loadgen")
