"""The machine that is measured on: its cores, its CPU time, what the figures depend on."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

NO_ROOT = 77
"""Exit status without root, EX_NOPERM of sysexits(3)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one end runs: its core, None = as the scheduler likes, and whether before everything else."""

    core: int | None
    realtime: bool

    @property
    def prefix(self) -> list[str]:
        """For a command that is to run here."""
        pinned = [] if self.core is None else ["taskset", "--cpu-list", str(self.core)]
        return pinned + (["chrt", "--rr", "1"] if self.realtime else [])

    def take(self, pid: int) -> None:
        """Have all threads of a process run here."""
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if self.core is not None:
                os.sched_setaffinity(int(thread.name), {self.core})
            if self.realtime:
                os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


def places(pin: bool, realtime: bool) -> tuple[Place, Place]:
    """The generator's and the responder's: on a core each, as long as there are two."""
    usable = sorted(os.sched_getaffinity(0))
    pair = (usable[0], usable[-1]) if pin and len(usable) > 1 else (None, None)
    return Place(pair[0], realtime), Place(pair[1], realtime)


def facts() -> dict[str, str]:
    """What every figure depends on."""
    return {
        "link": "veth pair between two network namespaces",
        "kernel": platform.release(),
        "cores": f"{len(os.sched_getaffinity(0))} of {_model()}",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def resident_mib(pid: int | None) -> float:
    """Resident memory of a process; 0 for the kernel."""
    if pid is None:
        return 0.0
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kib,) = (int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return round(kib / 1024, 1)


def print_facts(facts: dict[str, str]) -> None:
    """A line for each."""
    for key, value in facts.items():
        print(f"{key:>14}: {value}")


def have_root() -> bool:
    """Whether namespaces and raw sockets can be had; says so where they can't."""
    if os.geteuid():
        print("bench: needs root, for network namespaces and raw sockets", file=sys.stderr)
    return not os.geteuid()
