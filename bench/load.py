"""One measurement: the generator on one host, whatever answers on the other."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.responders import HERE, INTERFACE
from tests.lab import MAC_B, Host, wait_for
from tests.peers.build import compile_c

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked for."""

    outstanding: int
    size: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What came of it."""

    responder: str
    case: Case
    frames_per_s: float
    rtt_p50_us: float
    rtt_p99_us: float
    rtt_p999_us: float
    sent: int
    lost: int
    generator_cpu: float
    """Of one core. 1.0 for a generator that spins."""
    responder_cpu: float


class Generator:
    """The closed-loop generator, compiled and bound to a host."""

    def __init__(self, host: Host, directory: Path, wait: str, cpu: int | None) -> None:
        self._host = host
        program = compile_c(sorted((HERE / "loadgen").glob("*.c")), directory / "loadgen")
        pinned = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
        self._command = [*pinned, str(program), "--interface", INTERFACE, "--target", MAC_B]
        self._wait = wait

    def wait_answered(self) -> None:
        """Wait until somebody answers."""
        moment = ("--duration", "0.01", "--warmup", "0", "--timeout", "0.005")
        wait_for(lambda: self._run(*moment)["received"], "an answer to an echo request", timeout=30)

    def measure(self, responder: str, pid: int, case: Case, duration_s: float) -> Sample:
        """One run against the responder with this process id."""
        load = ["--outstanding", str(case.outstanding), "--size", str(case.size)]
        load += ["--spin"] if self._spins(case) else []
        began, used = time.monotonic(), _cpu_seconds(pid)
        result = self._run(*load, "--duration", str(duration_s))
        busy = (_cpu_seconds(pid) - used) / (time.monotonic() - began)
        if not result["received"]:
            raise SystemExit(f"{responder} answered nothing of {case}: {result}")
        rtt = {key: round(result["rtt_ns"][key] / 1000, 2) for key in ("p50", "p99", "p999")}
        return Sample(
            responder=responder,
            case=case,
            frames_per_s=result["frames_per_s"],
            rtt_p50_us=rtt["p50"],
            rtt_p99_us=rtt["p99"],
            rtt_p999_us=rtt["p999"],
            sent=result["sent"],
            lost=result["lost"],
            generator_cpu=result["generator_cpu"],
            responder_cpu=round(busy, 3),
        )

    def _spins(self, case: Case) -> bool:
        """By default a lone frame finds both ends asleep, as a probe's does."""
        return self._wait == "spin" or (self._wait == "auto" and case.outstanding > 1)

    def _run(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self._host.run(*self._command, *arguments).stdout))


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
