"""`rawechoctl top`: what the listeners do right now, again and again."""

from __future__ import annotations

import itertools
import time
from argparse import Namespace
from contextlib import closing
from typing import Protocol

from rawechoctl import exits, rates
from rawechoctl.client import Client, UnreachableError
from rawechoctl.exits import UsageError
from rawechoctl.output import Output
from rawechoctl.rates import Row
from rawechoctl.render import rate, span
from rawechod.control.varlink import Parameters
from rawechod.durations import parse_duration

SHORTEST = 0.1


class View(Protocol):
    """What shows one look after the other."""

    def begin(self, status: Parameters) -> None:
        """How the daemon stands at first."""

    def show(self, status: Parameters, rows: list[Row]) -> None:
        """How the daemon stands, and what happened since the look before."""

    def unreachable(self, sentence: str) -> None:
        """There is no daemon at the moment."""

    def close(self) -> None:
        """The end, however it came."""


class Lines:
    """A line a listener and look, or an object a look."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def begin(self, _status: Parameters) -> None:
        """There are no rates yet."""

    def show(self, status: Parameters, rows: list[Row]) -> None:
        """Print it."""
        if self._out.as_json:
            listeners = [row.as_object() for row in rows]
            self._out.object({"at_ns": time.time_ns(), "listeners": listeners, "probes": status["probes"]})
            return
        clock = time.strftime("%H:%M:%S")
        for row in rows:
            self._out.line(f"{clock} {line(row)}")
        for probe in status["probes"]:
            since = span(probe["running_s"])
            self._out.line(f"{clock} probe of {probe['target']} on {probe['interface']} since {since}")

    def unreachable(self, sentence: str) -> None:
        """Nobody watches it: end."""
        raise UnreachableError(sentence)

    def close(self) -> None:
        """Nothing to give back."""


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Look every so often, until Ctrl-C or `--count`."""
    interval = _interval(arguments.interval)
    before = client.call("GetStatus")
    looks = itertools.count(1) if not arguments.count else range(1, arguments.count + 1)
    with closing(_view(out)) as view:
        try:
            view.begin(before)
            for _ in looks:
                time.sleep(interval)
                before = _look(client, before, view)
        except KeyboardInterrupt:
            pass  # The way to end it.
    return exits.DONE


def _look(client: Client, before: Parameters, view: View) -> Parameters:
    try:
        status = client.call("GetStatus")
    except UnreachableError as error:
        view.unreachable(str(error))
        return before
    view.show(status, rates.between(before, status))
    return status


def _interval(text: str) -> float:
    try:
        seconds = parse_duration(text) / 1e9
    except ValueError as error:
        raise UsageError(f"interval: {error}") from error
    if seconds < SHORTEST:
        raise UsageError(f"interval: {text} is too short, at least {SHORTEST:g}s")
    return seconds


def _view(out: Output) -> View:
    if out.as_json or not out.on_terminal:
        return Lines(out)
    from rawechoctl.dashboard import Dashboard

    return Dashboard()


def line(row: Row) -> str:
    """A listener in one line."""
    one = row.listener
    words = [f"{rate(row.received)} received/s", f"{rate(row.replied)} replied/s"]
    words += [f"{rate(row.all_dropped)} dropped/s" + reasons(row)]
    words += [f"{rate(row.kernel_drops)} lost before us/s"] if row.kernel_drops else []
    return f"{one['interface']} {one['ethertype']} {one['state']}: {', '.join(words)}"


def reasons(row: Row) -> str:
    """Why frames are dropped right now, the most frequent reason first."""
    now = sorted(((value, reason) for reason, value in row.dropped.items() if value), reverse=True)
    return f" ({', '.join(f'{reason} {rate(value)}' for value, reason in now)})" if now else ""
