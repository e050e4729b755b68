"""Trace and Judge: what became of frames, and what would become of captured ones."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from rawechod.config import Mac, Table
from rawechod.control.connection import Exchange
from rawechod.control.varlink import CallError, Parameters
from rawechod.echo.listener import Listener
from rawechod.echo.modes import new_reflector
from rawechod.echo.reflector import Arrival, Instant
from rawechod.echo.tracer import OUTCOMES, TracedFrame, Wanted, Watch, as_received, describe
from rawechod.echo.tracing import Tracer
from rawechod.reasons import DropReason

MOST_BEHIND = 256 << 10
"""A reader with so many octets unread is told of no further frame until it has read some."""
LONGEST = 1 << 18
"""Octets of a captured frame: tcpdump's own limit."""
MOST_FRAMES = 1024
"""Frames that one call of Judge may bring."""
Judge = Callable[[bytes, int, int], TracedFrame]
"""Says what would become of a frame: its octets, as many as were kept; its length; when it came."""


class TraceParameters(Table):
    """Trace's; the contract explains them."""

    interface: str | None = None
    source: Mac | None = None
    outcomes: list[str] | None = None


class CapturedFrame(Table):
    """One frame to judge."""

    octets: str
    length: Annotated[int, Field(ge=0, le=LONGEST)]
    at_ns: Annotated[int, Field(ge=0, le=(1 << 63) - 1)] | None = None


class JudgeParameters(Table):
    """Judge's."""

    interface: str | None = None
    frames: Annotated[list[CapturedFrame], Field(max_length=MOST_FRAMES)]


def trace(tracer: Tracer, listeners: list[Listener], exchange: Exchange, parameters: TraceParameters) -> None:
    """Stream frames until the client hangs up; raises CallError."""
    if not exchange.call.more:
        raise CallError("org.varlink.service.ExpectedMore")
    _check(listeners, parameters)
    wanted = Wanted(parameters.interface, parameters.source, frozenset(parameters.outcomes or ()))

    def tell(frame: TracedFrame) -> None:
        exchange.event({"event": "frame", "frame": dataclasses.asdict(frame)})

    def end() -> None:
        tracer.stop(watch)
        counts = {"matched": watch.matched, "told": watch.told}
        exchange.reply({"event": "end", "end": counts})

    watch = Watch(wanted, tell, lambda: exchange.behind < MOST_BEHIND)
    interfaces = tracer.start(watch)
    exchange.on_hang_up = end
    exchange.event({"event": "start", "start": {"interfaces": interfaces}})


def _check(listeners: list[Listener], parameters: TraceParameters) -> None:
    if parameters.interface is not None:
        listeners_on(listeners, parameters.interface)
    for outcome in parameters.outcomes or ():
        if outcome not in OUTCOMES:
            reason = f"{outcome!r} is none of {', '.join(OUTCOMES)}"
            raise CallError("InvalidRequest", parameter="outcomes", reason=reason)


def judge(listeners: list[Listener], parameters: JudgeParameters) -> Parameters:
    """What a listener would do with captured frames; raises CallError."""
    found = listeners_on(listeners, parameters.interface)
    judges = [_judge(listener) for listener in found]
    verdicts = [_verdict(judges, _octets(one), one.length, one.at_ns or 0) for one in parameters.frames]
    return {"interface": found[0].interface, "verdicts": [dataclasses.asdict(verdict) for verdict in verdicts]}


def _verdict(judges: list[Judge], octets: bytes, length: int, at: int) -> TracedFrame:
    """Of several listeners on one interface that one's whose EtherType it is."""
    verdicts = [judge(octets, length, at) for judge in judges]
    return next((one for one in verdicts if one.reason != DropReason.FOREIGN.value), verdicts[0])


def _judge(listener: Listener) -> Judge:
    """What decides as a listener does, without its limits, which depend on what came before."""
    policy = listener.policy()
    if policy is None:
        raise CallError("InterfaceUnavailable", reason=f"there is no interface {listener.interface}")
    if not listener.arming.armed:
        raise CallError("InterfaceUnavailable", reason=f"the loopback on {listener.interface} is not armed")
    unlimited = listener.settings.model_copy(update={"rate_limit": 0, "peer_rate_limit": 0})
    reflector = new_reflector(unlimited, policy)

    def judge(octets: bytes, length: int, at: int) -> TracedFrame:
        answer = reflector.reflect(*as_received(octets, length, policy), Instant(at, at))
        return describe(listener.interface, octets, Arrival(length, received_at=at), answer)

    return judge


def _octets(frame: CapturedFrame) -> bytes:
    try:
        return base64.b64decode(frame.octets, validate=True)
    except ValueError as error:
        raise CallError("InvalidRequest", parameter="frames", reason="octets that are no base64") from error


def listeners_on(listeners: list[Listener], interface: str | None) -> list[Listener]:
    """Those of one interface, None = of the only one; raises CallError."""
    found = [one for one in listeners if interface in (None, one.interface)]
    names = sorted({one.interface for one in found or listeners})
    if not found or len(names) > 1:
        problem = f"there is no listener on {interface}" if interface else "which one is not said"
        reason = f"{problem}; there is {', '.join(names) or 'none at all'}"
        raise CallError("InvalidRequest", parameter="interface", reason=reason)
    return found
