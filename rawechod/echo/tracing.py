"""All watches of a daemon, and the listeners that have to tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from rawechod.echo.reflector import Arrival, Drop, Reply
from rawechod.echo.tracer import Watch


class Sink:
    """Hears of each frame of one interface, for all watches."""

    def __init__(self, interface: str, watches: list[Watch], now: Callable[[], int]) -> None:
        self._interface, self._watches, self._now = interface, watches, now

    def __call__(self, frame: bytes, arrival: Arrival, answer: Reply | Drop) -> None:
        """A frame, as the socket handed it over, and what became of it."""
        now = self._now()
        for watch in list(self._watches):
            watch.take(self._interface, frame, arrival, answer, now)

    def missed(self, frames: int) -> None:
        """So many more were decided on and could not be told."""
        for watch in self._watches:
            watch.missed(self._interface, frames)


class Traceable(Protocol):
    """A listener, as far as tracing goes."""

    @property
    def interface(self) -> str:
        """Its interface's name."""

    def trace(self, sink: Sink | None) -> None:
        """Tell the sink of each frame from now on; None = no more."""

    def settle_trace(self) -> None:
        """Tell of whatever has happened up to now."""


class Tracer:
    """While nobody watches a listener it is not bothered."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._watches: list[Watch] = []
        self._traced: dict[Traceable, Sink] = {}
        self._listeners: list[Traceable] = []

    def start(self, watch: Watch) -> list[str]:
        """Tell a watch from now on: the interfaces that it hears of."""
        self._watches.append(watch)
        self._update()
        return sorted(
            {one.interface for one in self._listeners if watch.wanted.interface in (None, one.interface)}
        )

    def stop(self, watch: Watch) -> None:
        """Tell it no more, once it knows of all that has happened."""
        for listener in self._traced:
            listener.settle_trace()
        self._watches.remove(watch)
        self._update()

    def follow(self, listeners: Iterable[Traceable]) -> None:
        """The daemon's listeners are these now."""
        self._listeners = list(listeners)
        self._traced = {one: sink for one, sink in self._traced.items() if one in self._listeners}
        self._update()

    def _update(self) -> None:
        for listener in self._listeners:
            wanted = any(watch.wanted.interface in (None, listener.interface) for watch in self._watches)
            if wanted and listener not in self._traced:
                self._traced[listener] = Sink(listener.interface, self._watches, self._now)
                listener.trace(self._traced[listener])
            elif not wanted and listener in self._traced:
                del self._traced[listener]
                listener.trace(None)
