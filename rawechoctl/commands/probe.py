"""`rawechoctl probe`: ping's manners."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Protocol

from rawechoctl import exits, interrupt
from rawechoctl.client import BrokenError, Client
from rawechoctl.destination import Destination
from rawechoctl.exits import UsageError
from rawechoctl.output import Output
from rawechoctl.render import brief
from rawechoctl.tally import Tally
from rawechod.control.varlink import Parameters as Body

TICK = 0.1
"""A live view moves on without an event, seconds."""
LONG_WAIT = 2_000_000_000
"""Nanoseconds for which one should know what is waited for."""
QUIET = frozenset({"interval", "summary"})
"""What `--quiet` leaves."""


class View(Protocol):
    """What shows or keeps the events of a probe."""

    def take(self, event: str, body: Body) -> None:
        """One event; without a name where nothing came for a TICK."""

    def close(self) -> None:
        """The end, however it came; give back what it holds."""


class Json:
    """An object an event; `quiet` leaves the intervals and the summary."""

    def __init__(self, out: Output, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet

    def take(self, event: str, body: Body) -> None:
        """Print it."""
        if not self._quiet or event in QUIET:
            self._out.object({"event": event, **body})

    def close(self) -> None:
        """Nothing to give back."""


class Written:
    """A view that writes a file: a full disk ends it with a sentence, and not the probe."""

    def __init__(self, destination: Destination, view: View) -> None:
        self.failed = False
        self._destination = destination
        self._view = view

    def take(self, event: str, body: Body) -> None:
        """Hand the event on while that works."""
        if self.failed:
            return
        try:
            self._view.take(event, body)
        except OSError as error:
            self.failed = True
            name = self._destination.name
            print(f"rawechoctl: can't write {name}: {error.strerror}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Hand that on."""
        self._view.close()
        self._destination.close()


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Probe, show each event as it comes, and end with the summary."""
    _check(arguments, out)
    targets = list(dict.fromkeys([*arguments.target, *arguments.target_option]))
    parameters = _parameters(arguments)
    if len(targets) > 1 and not arguments.sweep:
        from rawechoctl import several

        return several.run(client, arguments, targets, parameters, out)
    parameters["target"] = next(iter(targets), None)
    if arguments.sweep:
        from rawechoctl import sweep

        return sweep.run(client, arguments, targets, parameters, out)
    return _run(client, arguments, parameters, out)


def _run(client: Client, arguments: Namespace, parameters: Body, out: Output) -> int:
    tally = Tally(time.monotonic)
    with ExitStack() as stack:
        written = [stack.enter_context(closing(view)) for view in _files(client, arguments)]
        views = [stack.enter_context(closing(_shown(arguments, out, tally))), *written]
        stack.enter_context(interrupt.ending(lambda: _finish(client, tally)))
        summary: Body = {}
        try:
            for event, body in _events(client, arguments, parameters):
                tally.take(event, body)
                for view in views:
                    view.take(event, body)
                if event == "summary":
                    summary = body
        except (BrokenError, KeyboardInterrupt) as ending:
            if not (tally.empty or summary):
                for view in views:
                    view.take("summary", tally.summary())
            if isinstance(ending, BrokenError) and not summary:
                raise exits.CutOffError(str(ending)) from ending
            raise
    if any(view.failed for view in written):
        return exits.USAGE
    return exits.of_summary(summary, arguments.deadline and arguments.count)


def _events(client: Client, arguments: Namespace, parameters: Body) -> Iterator[tuple[str, Body]]:
    """Names and contents; without a name where nothing came for a TICK."""
    for reply in client.stream("Probe", TICK if arguments.live else None, **parameters):
        event = reply.pop("event", "")
        yield event, next((value for value in reply.values() if value), {})
        if event == "reply" and arguments.until_reply:
            client.finish()


def _finish(client: Client, tally: Tally) -> None:
    """The first Ctrl-C."""
    client.finish()
    timeout = tally.start.get("timeout_ns", 0)
    if timeout > LONG_WAIT and sys.stderr.isatty():
        # We are in a signal handler, which must not meet itself in a buffer.
        words = f"\nwaiting for the last replies, up to {brief(timeout)}; Ctrl-C again ends the probe now\n"
        os.write(sys.stderr.fileno(), words.encode())


def _check(arguments: Namespace, out: Output) -> None:
    if arguments.csv == "-" and (out.as_json or arguments.live):
        raise UsageError("--csv - has the standard output to itself: not with --json or --live")
    if arguments.report == "-":
        raise UsageError("--report needs a file: a page is not written to the standard output")
    files = [os.path.realpath(path) for path in (arguments.csv, arguments.report) if path and path != "-"]
    if len(set(files)) < len(files):
        raise UsageError("--csv and --report can't both write the same file")


def _shown(arguments: Namespace, out: Output, tally: Tally) -> View:
    """What goes to the terminal, or into the pipe."""
    from rawechoctl.text import Text

    if out.as_json:
        return Json(out, arguments.quiet)
    if arguments.csv == "-":
        return Text(Output("off", sys.stderr), True, arguments.outages)
    if arguments.live and out.on_terminal:
        from rawechoctl.live import Live

        return Live(Text(out, True, arguments.outages), tally)
    return Text(out, arguments.quiet, arguments.outages)


def _files(client: Client, arguments: Namespace) -> Iterator[Written]:
    if arguments.csv:
        from rawechoctl.rows import Rows

        destination = Destination(arguments.csv)
        yield Written(destination, Rows(destination))
    if arguments.report:
        from rawechoctl.report import Report

        daemon = client.call("GetStatus")["version"]
        destination = Destination(arguments.report)
        yield Written(destination, Report(destination, daemon, arguments.outages))


SENT_AS_THEY_ARE = (
    *("interface", "ethertype", "count", "interval", "timeout", "deadline", "size", "hello"),
    *("vlan", "pcp", "pattern", "flood", "one_way", "hardware_timestamps", "report_every"),
)


def _parameters(arguments: Namespace) -> Body:
    parameters = {name: getattr(arguments, name) for name in SENT_AS_THEY_ARE}
    parameters["interval"] = arguments.rate or arguments.interval
    if arguments.duration or arguments.until_reply:
        parameters["count"] = arguments.count or 0
        parameters["deadline"] = arguments.duration or arguments.deadline
    needed = arguments.until_reply or arguments.live or arguments.csv or arguments.report
    parameters["quiet"] = arguments.quiet and not needed
    return parameters
