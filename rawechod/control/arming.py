"""Arm and Disarm: which listeners are meant, and what they say."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rawechod.config import Duration, Table
from rawechod.control.varlink import CallError, Parameters
from rawechod.durations import UNITS
from rawechod.echo.listener import Listener

DEFAULT, LONGEST = 10 * UNITS["m"], 7 * 24 * UNITS["h"]


class ArmParameters(Table):
    """Arm's; the contract explains them."""

    interface: str | None = None
    duration: Annotated[Duration, Field(ge=UNITS["s"], le=LONGEST)] | None = None


class DisarmParameters(Table):
    """Disarm's."""

    interface: str | None = None


def arm(loopbacks: list[Listener], parameters: ArmParameters, uid: int) -> Parameters:
    """Arm those of one interface; raises CallError."""
    meant = _meant(loopbacks, parameters.interface)
    names = sorted({listener.settings.interface for listener in meant})
    if len(names) > 1:
        raise _bad_interface(f"several have mode loopback, name one of: {', '.join(names)}")
    for listener in meant:
        listener.arm(parameters.duration or DEFAULT, uid)
    return {"interface": names[0], "armed_for_s": meant[0].arming.remaining}


def disarm(loopbacks: list[Listener], parameters: DisarmParameters, uid: int) -> Parameters:
    """Disarm one, or all; raises CallError."""
    meant = _meant(loopbacks, parameters.interface)
    for listener in meant:
        listener.arming.disarm(uid)
    return {"interfaces": sorted({listener.settings.interface for listener in meant})}


def _meant(loopbacks: list[Listener], interface: str | None) -> list[Listener]:
    """At least one."""
    meant = [listener for listener in loopbacks if interface in (None, listener.settings.interface)]
    if not meant and interface is not None:
        raise _bad_interface(f'no listener on {interface} is configured with mode = "loopback"')
    if not meant:
        raise CallError("NoLoopback", reason='no listener is configured with mode = "loopback"')
    return meant


def _bad_interface(reason: str) -> CallError:
    return CallError("InvalidRequest", parameter="interface", reason=reason)
