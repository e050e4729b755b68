"""Probe: checked parameters in, events and a summary out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from rawechod import events, journal
from rawechod.config import Count, Duration, Interval, ReportEvery, Size, Table, Timeout
from rawechod.control.connection import Exchange
from rawechod.control.varlink import CallError, Parameters
from rawechod.errors import InterfaceError, PrivilegeError, RequestError
from rawechod.probe.events import Arrived, Lost, ProbeEvent, Summary
from rawechod.probe.job import Job, Outcome
from rawechod.probe.prober import Prober, Wish
from rawechod.wire import ethernet

MOST_BEHIND = 2 << 20
"""A caller with so many octets unread is told of no single request until it has read some."""
PATIENCE = 10.0
"""Whoever reads nothing for so many seconds is cut off, when its events have piled up."""


class ProbeParameters(Table):
    """Probe's; the contract explains them."""

    interface: str | None = None
    target: str | None = None
    ethertype: str | None = None
    count: Count | None = None
    interval: Interval | None = None
    timeout: Timeout | None = None
    deadline: Duration | None = None
    size: Size | None = None
    hello: bool | None = None
    vlan: str | None = None
    pcp: Annotated[int, Field(ge=0, le=7)] | None = None
    pattern: str | None = None
    flood: bool | None = None
    one_way: bool | None = None
    hardware_timestamps: bool | None = None
    quiet: bool | None = None
    report_every: ReportEvery | None = None


class Probing:
    """The probes that callers have started."""

    def __init__(self, uptime: Callable[[], float], prober: Callable[[], Prober]) -> None:
        self._uptime = uptime
        self._prober = prober
        self._running: dict[Job, tuple[int, float]] = {}

    def running(self, now: float) -> list[Parameters]:
        """Those that run at `now`, seconds since the daemon's start."""
        return [
            {
                "interface": job.order.link.name,
                "target": job.target,
                "ethertype": ethernet.format_ethertype(job.order.ethertype),
                "uid": uid,
                "running_s": round(now - since, 3),
            }
            for job, (uid, since) in self._running.items()
        ]

    def start(self, exchange: Exchange, parameters: ProbeParameters) -> None:
        """Start one for a caller; raises CallError."""
        wish = Wish(**{name: value for name, value in parameters if value is not None})
        teller = _Teller(exchange, bool(parameters.quiet), self._uptime)

        def on_end(outcome: Outcome) -> None:
            uid, _ = self._running.pop(job)
            _tell_end(exchange, job, uid, teller.completed(outcome))

        try:
            job = self._prober().start(wish, teller.tell, on_end)
        except RequestError as error:
            raise CallError("InvalidRequest", parameter=error.parameter, reason=str(error)) from error
        except (InterfaceError, PrivilegeError) as error:
            raise CallError("InterfaceUnavailable", reason=str(error)) from error
        self._running[job] = (exchange.peer.uid, self._uptime())
        exchange.on_hang_up, exchange.on_gone = job.stop, lambda: job.end("interrupted")
        journal.emit(events.PROBE_STARTED, **_fields(job, exchange.peer.uid))


class _Teller:
    """Tells a caller of events. One that is slow to read is spared single requests, and told how many in the end.

    One that reads nothing at all is spared for a while only: then its probe shall end.
    """

    def __init__(self, exchange: Exchange, quiet: bool, uptime: Callable[[], float]) -> None:
        self._exchange = exchange
        self._quiet = quiet
        self._uptime = uptime
        self._behind_since: float | None = None
        self._untold = 0

    def tell(self, event: ProbeEvent) -> None:
        """One event, if the caller wants it."""
        if not self._exchange.call.more or (self._quiet and event.event != "interval"):
            return
        if isinstance(event, Arrived | Lost) and self._spares():
            self._untold += 1
        else:
            self._exchange.event(_event(event))

    def completed(self, outcome: Outcome) -> Outcome:
        """The end, with what was left out."""
        if not self._untold or not isinstance(outcome, Summary):
            return outcome
        note = (
            f"{self._untold} replies and losses were not told one by one: they were not read as fast as they came"
        )
        return dataclasses.replace(outcome, untold=self._untold, notes=[*outcome.notes, note])

    def _spares(self) -> bool:
        if self._exchange.behind < MOST_BEHIND:
            self._behind_since = None
            return False
        now = self._uptime()
        self._behind_since = now if self._behind_since is None else self._behind_since
        return now - self._behind_since < PATIENCE


def _fields(job: Job, uid: int) -> dict[str, object]:
    return {"interface": job.order.link.name, "target": job.target, "uid": uid}


def _tell_end(exchange: Exchange, job: Job, uid: int, outcome: Outcome) -> None:
    if isinstance(outcome, Summary):
        counts = {"sent": outcome.sent, "received": outcome.received, "lost": outcome.lost}
        journal.emit(events.PROBE_ENDED, **_fields(job, uid), **counts)
        exchange.reply(_event(outcome))
        return
    if isinstance(outcome, InterfaceError):
        error, problem = CallError("InterfaceUnavailable", reason=str(outcome)), str(outcome)
    else:
        error, problem = (
            CallError("SeveralResponders", macs=outcome.macs, more=outcome.more),
            "several responders answered",
        )
    journal.emit(events.PROBE_GAVE_UP, **_fields(job, uid), problem=problem)
    exchange.fail(error)


def _event(event: ProbeEvent) -> Parameters:
    body = dataclasses.asdict(event)
    if isinstance(event, Arrived):
        return {"event": body.pop("event"), "arrived": body}
    return {"event": event.event, event.event: body}
