"""`rawechoctl survey`: the matrix of what passes to a responder and back, and what it says."""

from __future__ import annotations

from argparse import Namespace

from rawechoctl import cells, exits, interrupt, render
from rawechoctl.calls import Calls, News
from rawechoctl.cells import UNTAGGED, Axes, Cell, Outcome
from rawechoctl.client import Client, UnreachableError
from rawechoctl.exits import UsageError
from rawechoctl.findings import DESTINATIONS, Matrix, findings
from rawechoctl.output import Output
from rawechod.control.varlink import Parameters as Body

MOST_CELLS = 1000
UNICAST = {"count": 3, "interval": "20ms"}
GROUP = {"count": 2, "interval": "100ms"}
GROUP_GAP = 0.2
"""Seconds between the starts of two cells that ask a group: ten requests a second."""
AT_ONCE = 16
SHORTEST_TIMEOUT = 200_000_000
"""Nanoseconds."""
MARKS = {cells.PASSES: "yes", cells.LOST: "-", cells.NOT_SENT: "not sent"}


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Try every cell; 0 where one of them passes, 1 where none does."""
    survey = _Survey(client, arguments)
    matrix = survey.matrix(out)
    told = findings(matrix, survey.untried(matrix)) if matrix else []
    if out.as_json:
        results = [cell._asdict() | outcome._asdict() for cell, outcome in matrix.items()]
        about = {"interface": survey.interface, "target": survey.target, "interrupted": survey.interrupted}
        out.object({**about, "cells": results, "findings": told})
    elif matrix:
        _show(matrix, told, out)
    else:
        out.line("interrupted before anything was tried" if survey.interrupted else "nobody answers")
    passed = any(outcome.result in (cells.PASSES, cells.ALTERED) for outcome in matrix.values())
    return exits.DONE if passed else exits.NO_REPLY


class _Survey:
    def __init__(self, client: Client, arguments: Namespace) -> None:
        """Checks the axes; raises UsageError."""
        self._axes = _axes(arguments)
        self._interface, self._asked, self._timeout = arguments.interface, arguments.target, arguments.timeout
        self._client = client
        self._calls: Calls[Cell] = Calls(client.path)
        self._matrix: Matrix = {}
        self._largest = 0
        self.interface = self.target = ""
        self.interrupted = False

    def matrix(self, out: Output) -> Matrix:
        """Every cell's outcome; those are missing that Ctrl-C left out."""
        with interrupt.ending(self._interrupt):
            try:
                self._try_all(out)
            except UnreachableError:
                if not self.interrupted:
                    raise
        return {cell: self._matrix[cell] for cell in self._cells() if cell in self._matrix}

    def untried(self, matrix: Matrix) -> set[Cell]:
        """The cells that Ctrl-C left out."""
        return set(self._cells()) - matrix.keys()

    def _interrupt(self) -> None:
        """End now: what is under way would prove nothing."""
        self.interrupted = True
        self._client.hang_up()
        self._calls.hang_up()

    def _try_all(self, out: Output) -> None:
        self._begin()
        if not self.target or self.interrupted:
            return
        cells = self._cells()
        if not out.as_json:
            out.line(f"SURVEY of {self.target} on {self.interface}: {len(cells)} combinations")
        for group in (False, True):
            self._try(
                [cell for cell in cells if (cell.destination != "unicast") is group], GROUP_GAP if group else 0
            )

    def _cells(self) -> list[Cell]:
        """All of them, with the sizes that the interface takes."""
        return list(dict.fromkeys(self._sized(cell) for cell in self._axes.cells()))

    def _begin(self) -> None:
        """Who is the target, where, and how far away."""
        summary: Body = {}
        parameters = {"interface": self._interface, "target": self._asked, "count": 3, "interval": "100ms"}
        for reply in self._client.stream("Probe", **parameters):
            if reply["event"] == "start":
                self.interface, self._largest = reply["start"]["interface"], reply["start"]["largest"]
            summary = reply.get("summary") or {}
        rtt = summary["rtt_ns"]
        if self._asked or rtt:
            self.target = summary["target"]
        longest = max(10 * rtt["max"] if rtt else 0, SHORTEST_TIMEOUT)
        self._timeout = self._timeout or f"{longest}ns"

    def _sized(self, cell: Cell) -> Cell:
        return cell if cell.size else cell._replace(size=self._largest)

    def _try(self, some: list[Cell], gap: float) -> None:
        wishes = [(cell, self._parameters(cell)) for cell in some]
        for news in self._calls.run("Probe", wishes, gap, AT_ONCE):
            self._take(news)

    def _parameters(self, cell: Cell) -> Body:
        tag = {} if cell.vlan == UNTAGGED else {"vlan": cell.vlan, "pcp": cell.pcp}
        pace = UNICAST if cell.destination == "unicast" else GROUP
        target = self.target if cell.destination == "unicast" else cell.destination
        about = {"interface": self.interface, "ethertype": cell.ethertype, "target": target, "size": cell.size}
        return {**about, "timeout": self._timeout, **tag, **pace}

    def _take(self, news: News[Cell]) -> None:
        if news.error:
            self._refused(news)
            return
        cell, event = news.key, news.parameters["event"]
        if event in ("reply", "late") and news.parameters["arrived"]["mac"] == self.target:
            self._matrix[cell] = _outcome(news.parameters["arrived"])
            self._calls.finish(cell)
        elif event == "lost" and news.parameters["lost"]["error"]:
            error = news.parameters["lost"]["error"]
            # ENOBUFS comes from the path: its next hop takes no such frame.
            self._matrix[cell] = Outcome(cells.LOST if error == "ENOBUFS" else cells.NOT_SENT, error=error)
        elif event == "summary" and news.parameters["summary"]["ended"] == "complete":
            self._matrix.setdefault(cell, Outcome())

    def _refused(self, news: News[Cell]) -> None:
        """A size that the interface does not take is a result; everything else concerns all cells."""
        assert news.error
        if news.error.parameters.get("parameter") != "size":
            raise news.error
        self._matrix[news.key] = Outcome(cells.NOT_SENT, error=news.error.parameters["reason"])


def _outcome(arrived: Body) -> Outcome:
    result = cells.ALTERED if arrived["corrupted"] else cells.PASSES
    return Outcome(result, arrived["altered"], rtt_ns=arrived["rtt_ns"])


def _axes(arguments: Namespace) -> Axes:
    sizes = [0 if text == "max" else _number("sizes", text) for text in _words(arguments.sizes)]
    priorities = [_number("priorities", text) for text in _words(arguments.priorities)]
    if arguments.target in DESTINATIONS:
        raise UsageError(f"survey needs a single target, not {arguments.target}; --to says by which addresses")
    axes = Axes(_words(arguments.ethertypes), _words(arguments.to), _words(arguments.vlans), priorities, sizes)
    unknown = [word for word in axes.destinations if word not in DESTINATIONS]
    if unknown:
        raise UsageError(
            f"--to {unknown[0]}: one or several of {', '.join(DESTINATIONS)}, with commas between them"
        )
    if not all(axes) or len(axes.cells()) > MOST_CELLS:
        raise UsageError(f"{len(axes.cells())} combinations; from 1 to {MOST_CELLS} can be tried")
    return axes


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word for word in text.split(",") if word))


def _number(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"--{option}: {text!r} is not a whole number")
    return int(text)


def _show(matrix: Matrix, told: list[str], out: Output) -> None:
    sizes = tuple(sorted({cell.size for cell in matrix}))
    rows: dict[tuple[str, ...], dict[int, str]] = {}
    for cell, outcome in matrix.items():
        name = (cell.ethertype, cell.destination, cells.tagging(cell))
        mark = f"other {outcome.altered.replace(',', ', ')}" if outcome.altered else MARKS[outcome.result]
        rows.setdefault(name, {})[cell.size] = mark
    lines = [(*name, *(marks.get(size, "") for size in sizes)) for name, marks in rows.items()]
    out.line()
    for line in render.table(("EtherType", "to", "tag", *map(str, sizes)), lines):
        out.line(line)
    out.line()
    for sentence in told:
        out.line(sentence)
