"""A probe on a terminal while it runs. One of the two modules that import rich."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text as Words

from rawechoctl import history, text
from rawechoctl.output import draw_plainly
from rawechoctl.render import brief, percent, sent, span
from rawechoctl.tally import Tally
from rawechod.control.varlink import Parameters as Body

SLOT = 0.1
"""A column of the chart is a reply, or the slowest of so many seconds."""
REFRESH = 0.1
TALLEST = 8
MARGIN = 11
"""The chart's labels."""
OTHER_LINES = 9
"""What stands around the chart."""


class Live:
    """Draws anew in place; at the end the view gives way to the summary, as lines."""

    def __init__(self, after: text.Text, tally: Tally) -> None:
        """`tally` counts what comes, before it comes here; `after` shows the summary."""
        self._after = after
        draw_plainly()
        self._console = Console(highlight=False)
        self._screen = Screen(console=self._console, auto_refresh=False, transient=True)
        self._blocks = history.BLOCKS if self._console.encoding.startswith("utf") else history.ASCII_BLOCKS
        self._history = history.History(SLOT)
        self._tally = tally
        self._began = self._drawn = 0.0
        self._start: Body = {}
        self._last: int | None = None

    def take(self, event: str, body: Body) -> None:
        """Take one event in, and draw when the last drawing is old enough."""
        now = time.monotonic()
        if event == "summary":
            self.close()
            self._after.take(event, body)
            return
        self._note(event, body, now)
        if self._start and now - self._drawn >= REFRESH:
            self._drawn = now
            self._screen.update(self._view(now), refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._screen.stop()

    def _note(self, event: str, body: Body, now: float) -> None:
        if event == "start":
            self._start, self._began = body, now
            self._screen.start()
        elif event == "using":
            self._start = self._start | {"target": body["mac"]}
        elif event == "reply":
            self._history.reply(now, body["rtt_ns"])
            self._last = body["rtt_ns"]
        elif event == "lost":
            self._history.loss(now)
        elif event == "interval":
            self._console.print(text.interval(body))

    def _view(self, now: float) -> RenderableType:
        start = self._start
        title = f"{start['target']} on {start['interface']}, {sent(start)}"
        lines = [_line(title, "bold"), *([_line(start["note"])] if start["note"] else []), Words()]
        # Short: the terminal writes ^C behind it, which must not begin a line.
        ending = _line("Ctrl-C ends it", "dim")
        if self._console.height <= OTHER_LINES:  # What is taller than the screen could not be drawn anew in place.
            return Group(lines[0], self._times(), self._counts(), ending)
        return Group(*lines, *self._chart(), Words(), self._times(), self._counts(), self._progress(now), ending)

    def _chart(self) -> list[RenderableType]:
        height = max(min(self._console.height - OTHER_LINES, TALLEST), 1)
        columns = self._history.last(self._console.width - MARGIN)
        most = history.highest(columns)
        labels = {0: f"{brief(most)}"} | ({height - 1: "0"} if height > 1 else {})
        chart = [
            _line(f"{labels.get(number, ''):>{MARGIN - 1}} ").append(row, "cyan")
            for number, row in enumerate(history.rows(columns, height, self._blocks))
        ]
        marks = "".join("x" if column.lost else " " for column in columns)
        return [*chart, _line(f"{'lost':>{MARGIN - 1}} ").append(marks, "bold red")]

    def _times(self) -> Words:
        rtt = self._tally.rtt()
        if not rtt or self._last is None:
            return _line("no reply yet")
        names = {"min": rtt.min, "p50": rtt.p50, "p90": rtt.p90, "p99": rtt.p99, "max": rtt.max}
        values = [f"{name} {brief(value)}" for name, value in names.items()]
        return _line(f"rtt {brief(self._last)}", "bold").append(f"   {'  '.join(values)}", "not bold")

    def _counts(self) -> Words:
        tally = self._tally
        settled = tally.answered + tally.lost
        line = _line(f"{tally.answered} answered, ")
        if not settled:
            return line.append("loss not known yet")
        loss = f"{tally.lost} lost ({percent(tally.lost / settled)})"
        line.append(loss, "bold red" if tally.lost else "green")
        for name, count in tally.rare.items():
            line.append(f", {count} {name}", "yellow")
        return line

    def _progress(self, now: float) -> RenderableType:
        count, deadline = self._start["count"], self._start["deadline_ns"] / 1e9
        done, elapsed = self._tally.answered + self._tally.lost, now - self._began
        words = f"{span(elapsed)} since the start"
        if not count and not deadline:
            return _line(words)
        total, completed = (count, done) if count else (deadline, min(elapsed, deadline))
        words = f"{done} of {count}, {words}" if count else f"{words}, of {span(deadline)}"
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=max(self._console.width // 3, 10))
        grid.add_column(no_wrap=True, overflow="ellipsis")
        grid.add_row(ProgressBar(total=total, completed=completed), words)
        return grid


def _line(words: str, style: str = "") -> Words:
    """One that is cut at the edge, never wrapped: what is drawn in place must keep its height."""
    return Words(words, style=style, no_wrap=True, overflow="ellipsis")
