"""Several targets at once, as fping has it: a probe each, lines that begin with the target, a summary each."""

from __future__ import annotations

import sys
import time
from argparse import Namespace

from rawechoctl import exits, interrupt
from rawechoctl.calls import Calls, News
from rawechoctl.client import BrokenError, Client
from rawechoctl.exits import UsageError
from rawechoctl.output import Output
from rawechoctl.tally import Tally
from rawechoctl.text import Text
from rawechod.control.varlink import Parameters as Body

MOST = 64
"""Targets; each takes one of the 128 connections that a user may have."""


class _Lines(Output):
    """Lines that begin with a name."""

    def __init__(self, name: str) -> None:
        super().__init__("off")
        self._name = name

    def line(self, text: str = "") -> None:
        """One line of text, behind the name."""
        super().line(f"{self._name}: {text}")


class _Show:
    """The events of all targets: text a line, or JSON; summaries last."""

    def __init__(self, targets: list[str], arguments: Namespace, out: Output) -> None:
        width = max(map(len, targets))
        self._views = {target: Text(_Lines(target.ljust(width)), arguments.quiet) for target in targets}
        self._tallies = {target: Tally(time.monotonic) for target in targets}
        self._targets = targets
        self._outages = arguments.outages
        self._out = out
        self.summaries: dict[str, Body] = {}

    def take(self, target: str, event: str, body: Body) -> None:
        """One event."""
        self._tallies[target].take(event, body)
        if event == "summary":
            self.summaries[target] = body
        if self._out.as_json:
            self._out.object({"event": event, "name": target, **body})
        elif event != "summary":
            self._views[target].take(event, body)

    def cut_off(self) -> None:
        """No more events come: make the summaries that are missing of those that did."""
        for target, tally in self._tallies.items():
            if not tally.empty and target not in self.summaries:
                self.take(target, "summary", tally.summary())

    def close(self) -> None:
        """The summaries, in the order of the targets, and one line about all of them."""
        answered = [target for target in self._targets if self.summaries.get(target, {}).get("received")]
        silent = [target for target in self._targets if target not in answered]
        if self._out.as_json:
            return
        for target in filter(self.summaries.get, self._targets):
            summary = self.summaries[target]
            mac = summary["target"]
            name = target if mac in (None, target.lower()) else f"{target} ({mac})"
            Text(self._out, True, self._outages).take("summary", summary | {"target": name})
        rest = f"; no reply from {', '.join(silent)}" if silent else ""
        self._out.line(f"\n{len(answered)} of {len(self._targets)} targets answered{rest}")


def run(client: Client, arguments: Namespace, targets: list[str], parameters: Body, out: Output) -> int:
    """Probe them all; the worst exit status of any, 1 where one did not answer."""
    _check(arguments, targets)
    calls: Calls[str] = Calls(client.path)
    show = _Show(targets, arguments, out)
    enough = arguments.deadline and arguments.count
    worst = exits.DONE
    with interrupt.ending(calls.finish):
        try:
            for news in calls.run("Probe", [(target, parameters | {"target": target}) for target in targets]):
                worst = max(worst, _take(news, show, enough))
                if arguments.until_reply and news.parameters.get("event") == "reply":
                    calls.finish(news.key)
        except (BrokenError, KeyboardInterrupt) as ending:
            show.cut_off()
            if show.summaries:
                show.close()
            if isinstance(ending, BrokenError):
                raise exits.CutOffError(str(ending)) from ending
            raise
    show.close()
    return worst


def _check(arguments: Namespace, targets: list[str]) -> None:
    if len(targets) > MOST:
        raise UsageError(f"{len(targets)} targets; at most {MOST} are probed at once")
    for option in ("live", "csv", "report"):
        if getattr(arguments, option):
            raise UsageError(f"--{option} shows one target, not several")


def _take(news: News[str], show: _Show, enough: int | None) -> int:
    """Show it; the exit status as far as this tells."""
    if news.error:
        reason = news.error.parameters.get("reason") or news.error.name.rpartition(".")[2]
        print(f"rawechoctl: {news.key}: {reason}", file=sys.stderr, flush=True)
        return exits.of_error(news.error.name)
    event = news.parameters["event"]
    body: Body = next((value for key, value in news.parameters.items() if key != "event" and value), {})
    show.take(news.key, event, body)
    return exits.of_summary(body, enough) if event == "summary" else exits.DONE
