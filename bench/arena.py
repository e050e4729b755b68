"""Responders that run side by side, each with a generator's host and a cable of its own, and take turns.

All but the one whose turn it is are stopped (SIGSTOP): so a turn follows the other within a moment, and one
that spins while idle disturbs nobody.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import Case, Generator, measure_together
from bench.machine import Place
from bench.responders import ICMP_OWN, RESPONDERS, Responder, Site
from tests.lab import Host, join


@dataclass(frozen=True, slots=True)
class Seat:
    """A responder and whoever asks it."""

    generators: tuple[Generator, ...]
    pid: int | None
    flags: tuple[str, ...]
    """For the generators."""

    def measure(self, case: Case, duration_s: float) -> dict[str, Any]:
        """Its turn."""
        with self._awake():
            return measure_together(self.generators, case, duration_s, self.pid, *self.flags)

    def stop(self) -> None:
        """Have it wait for its turn."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGSTOP)

    @contextlib.contextmanager
    def _awake(self) -> Iterator[None]:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGCONT)
        yield
        self.stop()


@dataclass(frozen=True, slots=True)
class Arena:
    """What all seats have in common."""

    program: Path
    """The generator."""
    directory: Path
    wait: str
    places: tuple[Place, Place]
    """The generator's and the responder's."""


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """The generator's and the responder's, with a cable between them."""
    with contextlib.closing(Host("bench-a")) as a, contextlib.closing(Host("bench-b")) as b:
        join(a, b)
        yield a, b


@contextlib.contextmanager
def seated(arena: Arena, responder: Responder, kind: str) -> Iterator[Seat]:
    """Run one responder, until it answers, then have it wait."""
    first, last = arena.places
    flags = ("--icmp", ICMP_OWN) if responder.icmp else ()
    with two_hosts() as (a, b), responder.run(Site(b, arena.directory, kind, last)) as pid:
        places = (first, last) if responder.asked_from_every_core else (first,)
        generators = tuple(Generator(a, arena.program, arena.wait, place) for place in places)
        seat = Seat(generators, pid, flags)
        generators[0].wait_answered(kind, *flags)
        if pid is not None:
            last.take(pid)
        seat.stop()
        yield seat


@contextlib.contextmanager
def all_seated(arena: Arena, names: Sequence[str], kind: str) -> Iterator[dict[str, Seat]]:
    """Run these responders."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(seated(arena, RESPONDERS[name], kind)) for name in names}
