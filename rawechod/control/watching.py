"""Watch: how everything stands, again and again, for those who look on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rawechod.config import Duration, Table
from rawechod.control.connection import Exchange
from rawechod.control.peers import Most
from rawechod.control.varlink import SERVICE, CallError, Parameters
from rawechod.durations import UNITS
from rawechod.reactor import Reactor

DEFAULT, SHORTEST, LONGEST = UNITS["s"], 100 * UNITS["ms"], UNITS["h"]
DEFAULT_MOST = 10

Look = Callable[[int], Parameters]
"""How everything stands now, with so many peers."""


class WatchParameters(Table):
    """Watch's; the contract explains them."""

    interval: Annotated[Duration, Field(ge=SHORTEST, le=LONGEST)] | None = None
    most: Most | None = None


@dataclass(slots=True, eq=False)
class _Watcher:
    exchange: Exchange
    interval: int
    most: int
    due: int
    """When it is to be told next, monotonic, nanoseconds."""


class Watching:
    """All watchers. However many there are, one look serves all who are due, at most ten times a second."""

    def __init__(self, reactor: Reactor, look: Look) -> None:
        self._reactor = reactor
        self._look = look
        self._watchers: list[_Watcher] = []
        self._ticks = False

    def start(self, exchange: Exchange, parameters: WatchParameters) -> None:
        """Tell a caller from now on, until it hangs up; raises CallError."""
        if not exchange.call.more:
            raise CallError(f"{SERVICE}.ExpectedMore")
        interval = parameters.interval or DEFAULT
        most = DEFAULT_MOST if parameters.most is None else parameters.most
        watcher = _Watcher(exchange, interval, most, self._reactor.now() + interval)
        self._tell([watcher])
        self._watchers.append(watcher)
        exchange.on_hang_up = lambda: self._end(watcher)
        if not self._ticks:
            self._ticks = True
            self._wait()

    def _end(self, watcher: _Watcher) -> None:
        self._watchers.remove(watcher)
        watcher.exchange.reply(self._look(watcher.most))

    def _wait(self) -> None:
        self._reactor.call_at(self._reactor.now() + SHORTEST, self._tick)

    def _tick(self) -> None:
        now = self._reactor.now()
        due = [watcher for watcher in self._watchers if watcher.due <= now]
        for watcher in due:
            watcher.due += ((now - watcher.due) // watcher.interval + 1) * watcher.interval
        # Who has not read what is there already is told the next time.
        self._tell([watcher for watcher in due if not watcher.exchange.behind])
        self._ticks = bool(self._watchers)
        if self._ticks:
            self._wait()

    def _tell(self, readers: list[_Watcher]) -> None:
        if not readers:
            return
        look = self._look(max(reader.most for reader in readers))
        for reader in readers:
            reader.exchange.event(look | {"peers": look["peers"][: reader.most]})
