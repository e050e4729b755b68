"""`rawechoctl top` on a terminal. One of the two modules that import rich."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rawechoctl import history, rates
from rawechoctl.history import History
from rawechoctl.output import draw_plainly
from rawechoctl.rates import PeerRow, Row
from rawechoctl.render import rate, span
from rawechod.control.varlink import Parameters

Part = TypeVar("Part", str, Text)
STATES = {"up": "green", "down": "bold red", "absent": "yellow"}
MOST_REASONS = 12
NARROW = 100
"""Below so many characters a line, what is nice to know is left out."""
TIGHT = 72
"""Below so many, all but what tells how it goes."""


class Dashboard:
    """A screen of its own, drawn anew with each look; it is gone at the end."""

    def __init__(self) -> None:
        draw_plainly()
        self._console = Console(highlight=False)
        self._blocks = history.BLOCKS if self._console.encoding.startswith("utf") else history.ASCII_BLOCKS
        self._history: defaultdict[tuple[str, str], History] = defaultdict(lambda: History(0))
        self._screen = Live(console=self._console, screen=True, auto_refresh=False)
        self._screen.start()
        self._shown: list[RenderableType] = []

    def close(self) -> None:
        """Give the terminal back as it was."""
        self._screen.stop()

    def begin(self, look: Parameters) -> None:
        """Draw what is known before there are rates."""
        self.show(look, rates.between(look, look), [])

    def unreachable(self, sentence: str) -> None:
        """Say so above what was seen last, and go on trying."""
        self._draw([Text(sentence, style="bold red"), *self._shown[1:]])

    def show(self, look: Parameters, rows: list[Row], peers: list[PeerRow]) -> None:
        """Draw."""
        head = f"rawechod {look['version']}, pid {look['pid']}, up {span(look['uptime_s'])}, {look['config']}"
        self._shown = [_line(head, "bold"), Text(), self._listeners(rows)]
        self._shown += self._reasons(rows) + _notes(rows) + self._peers(peers) + self._probes(look)
        self._draw(self._shown)

    def _draw(self, parts: list[RenderableType]) -> None:
        self._screen.update(Group(*parts, Text(), _line("a second; Ctrl-C ends", "dim")), refresh=True)

    def _listeners(self, rows: list[Row]) -> Table:
        wide = self._console.width >= NARROW
        table = self._table("INTERFACE", *self._unless_tight("ETHERTYPE"), "STATE")
        for name in ("RECEIVED", "REPLIED", "DROPPED", *(("KERNEL DROPS", "SINCE START") if wide else ())):
            table.add_column(name, justify="right", no_wrap=True)
        for name in self._unless_tight("RECEIVED, EARLIER"):
            table.add_column(name, ratio=1, no_wrap=True, overflow="crop")
        for row in rows:
            one = row.listener
            cells = [_line(one["interface"], "bold"), *self._unless_tight(one["ethertype"])]
            cells += [_line(one["state"], STATES[one["state"]]), rate(row.received), rate(row.replied)]
            cells += [_line(rate(row.all_dropped), _alarm(row.all_dropped))]
            if wide:
                cells += [_line(rate(row.kernel_drops), _alarm(row.kernel_drops)), f"{one['received']:,}"]
            table.add_row(*cells, *self._unless_tight(self._sparkline(row)))
        return table

    def _sparkline(self, row: Row) -> Text:
        past = self._history[row.listener["interface"], row.listener["ethertype"]]
        past.reply(0, round(row.received * 1000))
        return _line(history.rows(past.last(self._console.width // 4), 1, self._blocks)[0], "cyan")

    def _reasons(self, rows: list[Row]) -> list[RenderableType]:
        found = [
            (value, row.listener["dropped"][reason], reason, row.listener["interface"])
            for row in rows
            for reason, value in row.dropped.items()
        ]
        if not found:
            return []
        table = self._table("WHY NOT ANSWERED", "INTERFACE")
        for name in ("NOW", *self._unless_tight("SINCE START")):
            table.add_column(name, justify="right", no_wrap=True)
        for value, total, reason, interface in sorted(found, reverse=True)[:MOST_REASONS]:
            since_start = self._unless_tight(f"{total:,}")
            table.add_row(reason, interface, _line(rate(value), _alarm(value)), *since_start)
        return [Text(), table]

    def _probes(self, look: Parameters) -> list[RenderableType]:
        if not look["probes"]:
            return []
        names = self._unless_tight("ETHERTYPE"), self._unless_tight("USER ID")
        table = self._table("PROBED PEER", "INTERFACE", *names[0], "FOR", *names[1])
        for one in look["probes"]:
            ethertype, uid = self._unless_tight(one["ethertype"]), self._unless_tight(str(one["uid"]))
            table.add_row(one["target"], one["interface"], *ethertype, span(one["running_s"]), *uid)
        return [Text(), table]

    def _peers(self, rows: list[PeerRow]) -> list[RenderableType]:
        if not rows:
            return []
        table = self._table("BUSIEST PEER", "INTERFACE", *self._unless_tight("ETHERTYPE"))
        for name in ("RECEIVED", "REPLIED", *self._unless_tight("SINCE START")):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            one, silent = row.peer, row.received - row.replied
            since_start = self._unless_tight(f"{one['received']:,}")
            cells = [one["mac"], one["interface"], *self._unless_tight(one["ethertype"]), rate(row.received)]
            table.add_row(*cells, _line(rate(row.replied), _alarm(silent)), *since_start)
        return [Text(), table]

    def _table(self, *columns: str) -> Table:
        gap = 1 if self._console.width < TIGHT else 2
        table = Table(box=None, padding=(0, gap, 0, 0), header_style="dim", pad_edge=False)
        for name in columns:
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        return table

    def _unless_tight(self, *parts: Part) -> tuple[Part, ...]:
        return parts if self._console.width >= TIGHT else ()


def _notes(rows: list[Row]) -> list[RenderableType]:
    notes = [(row.listener["interface"], note) for row in rows for note in row.listener["notes"]]
    return [Text(f"{interface}: {note}", style="yellow") for interface, note in notes]


def _alarm(value: float) -> str:
    return "yellow" if value else ""


def _line(words: str, style: str = "") -> Text:
    return Text(words, style=style, no_wrap=True, overflow="ellipsis")
