"""Loopback mode answers only while it is armed: by an operator for a time, or by the configuration."""

from __future__ import annotations

from collections.abc import Callable

from rawechod import events, journal
from rawechod.config import Echo
from rawechod.durations import format_duration
from rawechod.reactor import Deadline, Reactor

MODE = "loopback"


class Arming:
    """Whether a listener may answer; the modes that need no arming always may."""

    def __init__(self, reactor: Reactor, settings: Echo, changed: Callable[[], None]) -> None:
        self.needed = settings.mode == MODE
        self.armed = not self.needed or settings.loopback_armed
        self._reactor = reactor
        self._interface = settings.interface
        self._changed = changed
        self._end: Deadline | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds until it disarms itself; None where it does not."""
        return max(self._end.when - self._reactor.now(), 0) / 1e9 if self._end else None

    def arm(self, duration: int, uid: int, mac: str) -> None:
        """Let it answer for so many nanoseconds from now on, whatever was before."""
        self._cancel()
        self._end = self._reactor.call_at(self._reactor.now() + duration, self._expired)
        hint = f" for {format_duration(duration)}"
        journal.emit(events.LOOPBACK_ARMED, interface=self._interface, hint=hint, uid=uid, mac=mac)
        self.armed = True
        self._changed()

    def disarm(self, uid: int) -> None:
        """Let it answer no more."""
        if self.armed:
            self._disarm(f" any more, by uid {uid}")

    def close(self) -> None:
        """Never call back."""
        self._cancel()

    def _expired(self) -> None:
        self._disarm(" any more, its time is over")

    def _disarm(self, hint: str) -> None:
        self._cancel()
        self.armed = False
        journal.emit(events.LOOPBACK_DISARMED, interface=self._interface, hint=hint)
        self._changed()

    def _cancel(self) -> None:
        if self._end:
            self._end.cancel()
        self._end = None
