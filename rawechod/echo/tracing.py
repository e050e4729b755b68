"""All watches of a daemon, and the listeners that have to tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from rawechod.echo.reflector import Arrival, Drop, Reply
from rawechod.echo.tracer import Watch

Sink = Callable[[bytes, Arrival, Reply | Drop], None]
"""Hears a frame, as the socket handed it over, and what became of it."""


class Traceable(Protocol):
    """A listener, as far as tracing goes."""

    @property
    def interface(self) -> str:
        """Its interface's name."""

    def trace(self, sink: Sink | None) -> None:
        """Tell the sink of each frame from now on; None = no more."""


class Tracer:
    """While nobody watches a listener it is not bothered: tracing costs it its fastest ways."""

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
        """Tell it no more."""
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
                self._traced[listener] = self._sink(listener.interface)
                listener.trace(self._traced[listener])
            elif not wanted and listener in self._traced:
                del self._traced[listener]
                listener.trace(None)

    def _sink(self, interface: str) -> Sink:
        def told(frame: bytes, arrival: Arrival, answer: Reply | Drop) -> None:
            now = self._now()
            for watch in list(self._watches):
                watch.take(interface, frame, arrival, answer, now)

        return told
