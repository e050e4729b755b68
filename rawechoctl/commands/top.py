"""`rawechoctl top`: what the listeners do right now, again and again."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Protocol

from rawechoctl import exits, rates
from rawechoctl.client import Client, UnreachableError
from rawechoctl.output import Output
from rawechoctl.rates import PeerRow, Row
from rawechoctl.render import rate, span
from rawechod.control.varlink import Parameters

RETRY_S = 0.5
"""Before a daemon that is not there is asked again."""
SHOWN = 10
"""Peers."""


class View(Protocol):
    """What shows one look after the other."""

    def begin(self, look: Parameters) -> None:
        """How the daemon stands at first."""

    def show(self, look: Parameters, rows: list[Row], peers: list[PeerRow]) -> None:
        """How the daemon stands, and what happened since the look before."""

    def unreachable(self, sentence: str) -> None:
        """There is no daemon at the moment."""

    def close(self) -> None:
        """The end, however it came."""


class Lines:
    """A line a listener, peer and look, or an object a look."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def begin(self, _look: Parameters) -> None:
        """There are no rates yet."""

    def show(self, look: Parameters, rows: list[Row], peers: list[PeerRow]) -> None:
        """Print it."""
        if self._out.as_json:
            rated = {"listeners": [row.as_object() for row in rows], "peers": [row.as_object() for row in peers]}
            self._out.object({"at_ns": look["at_ns"], **rated, "probes": look["probes"]})
            return
        clock = time.strftime("%H:%M:%S", time.localtime(look["at_ns"] / 1e9))
        for words in (*map(line, rows), *map(_peer, peers), *map(_probe, look["probes"])):
            self._out.line(f"{clock} {words}")

    def unreachable(self, sentence: str) -> None:
        """Nobody watches it: end."""
        raise UnreachableError(sentence)

    def close(self) -> None:
        """Nothing to give back."""


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Look every so often, until Ctrl-C or `--count`."""
    stream = _watch(client, arguments)
    before = next(stream)
    with closing(_view(out)) as view:
        try:
            view.begin(before)
            for look in islice(_looks(client, arguments, stream, view), arguments.count or None):
                view.show(look, rates.between(before, look), rates.of_peers(before, look)[:SHOWN])
                before = look
        except KeyboardInterrupt:
            pass  # The way to end it.
    return exits.DONE


def _watch(client: Client, arguments: Namespace) -> Iterator[Parameters]:
    return client.stream("Watch", interval=arguments.interval, most=rates.MOST_PEERS)


def _looks(client: Client, arguments: Namespace, stream: Iterator[Parameters], view: View) -> Iterator[Parameters]:
    """What comes; when the daemon ends, from the next one."""
    while True:
        try:
            yield from stream
        except UnreachableError as error:
            view.unreachable(str(error))
            time.sleep(RETRY_S)
        stream = _watch(client, arguments)


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
    words += [f"{rate(row.kernel_drops)} dropped by the kernel/s"] if row.kernel_drops else []
    return f"{one['interface']} {one['ethertype']} {one['state']}: {', '.join(words)}"


def reasons(row: Row) -> str:
    """Why frames are dropped right now, the most frequent reason first."""
    now = sorted(((value, reason) for reason, value in row.dropped.items() if value), reverse=True)
    return f" ({', '.join(f'{reason} {rate(value)}' for value, reason in now)})" if now else ""


def _peer(row: PeerRow) -> str:
    one = row.peer
    return (
        f"peer {one['mac']} on {one['interface']}: {rate(row.received)} received/s, {rate(row.replied)} replied/s"
    )


def _probe(probe: Parameters) -> str:
    return f"probe of {probe['target']} on {probe['interface']} since {span(probe['running_s'])}"
