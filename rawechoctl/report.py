"""A probe as a page for a browser: one file, without scripts, that fetches nothing."""

from __future__ import annotations

import time
from html import escape
from importlib import resources
from string import Template

from rawechoctl import facts, figures
from rawechoctl.collected import Collected
from rawechoctl.destination import Destination
from rawechod.control.varlink import Parameters as Body


class Report:
    """Writes the page when the summary comes."""

    def __init__(self, destination: Destination, daemon: str, outages: int | None = None) -> None:
        """`daemon` is its version; `outages`: how many are listed. What is there is kept until the new page is."""
        self._destination = destination
        self._daemon = daemon
        self._outages = outages
        self._collected = Collected()
        self._started = 0.0

    def take(self, event: str, body: Body) -> None:
        """Take one event in; raises OSError."""
        self._collected.take(event, body)
        if event == "start":
            self._started = time.time()
        elif event == "summary":
            about = facts.about(self._collected.start, body, self._started, self._daemon)
            self._destination.begin()
            self._destination.write(page(self._collected, body, about, self._outages))

    def close(self) -> None:
        """The page is written already."""


def page(collected: Collected, summary: Body, about: list[tuple[str, str]], outages: int | None) -> str:
    """The whole page."""
    template = Template(resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    title = f"Probe of {summary['target']} on {summary['interface']}"
    parts = {
        "timeline": figures.timeline(collected.series, summary),
        "losses": figures.losses(collected, summary),
        "histogram": figures.histogram(collected.histogram, summary),
    }
    return template.substitute(
        title=escape(title),
        state="good" if facts.is_good(summary) else "bad",
        verdict=escape(facts.verdict(summary)),
        tiles=facts.tiles(summary),
        notes="".join(f"<p class=note>{escape(note)}</p>" for note in facts.notes(collected.start, summary)),
        percentiles=facts.table(facts.percentiles(summary)),
        counts=facts.table(facts.counts(summary)),
        outages=facts.outages(summary, outages),
        responders=facts.responders(summary),
        facts=facts.table(about),
        **parts,
    )
