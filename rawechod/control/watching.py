"""Watch: how everything stands, again and again, for those who look on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import Field

from rawechod.config import Duration, Table
from rawechod.control.connection import Exchange, Turns
from rawechod.control.varlink import SERVICE, CallError, Parameters, encode_reply
from rawechod.durations import UNITS
from rawechod.reactor import Reactor

DEFAULT, SHORTEST, LONGEST = UNITS["s"], 100 * UNITS["ms"], UNITS["h"]
DEFAULT_TOLD, MOST_TOLD = 10, 100
"""Peers; fewer than GetPeers tells, for they are told again and again."""

Look = Callable[[], Parameters]
"""How everything stands now, with as many peers as anybody may ask for."""


class WatchParameters(Table):
    """Watch's; the contract explains them."""

    interval: Annotated[Duration, Field(ge=SHORTEST, le=LONGEST)] | None = None
    most: Annotated[int, Field(ge=0, le=MOST_TOLD)] | None = None


@dataclass(slots=True, eq=False)
class _Watcher:
    exchange: Exchange
    interval: int
    most: int
    due: int
    """When it is to be told next, monotonic, nanoseconds."""
    waits: bool = False
    """For its turn to be told."""


class Watching:
    """All watchers. However many there are and come, one look serves all who are due, at most ten times a second.

    They are told one after the other, a turn of the loop each, so that frames need not wait for all of them.
    """

    def __init__(self, reactor: Reactor, look: Look) -> None:
        self._reactor = reactor
        self._turns = Turns(reactor)
        self._take_look = look
        self._last: Parameters = {}
        self._looked_at = -SHORTEST
        self._encoded: Parameters = {}
        """The look that these messages, by the number of peers, are of."""
        self._messages: dict[int, bytes] = {}
        self._watchers: list[_Watcher] = []
        self._ticks = False

    def start(self, exchange: Exchange, parameters: WatchParameters) -> None:
        """Tell a caller from now on, until it hangs up; raises CallError."""
        if not exchange.call.more:
            raise CallError(f"{SERVICE}.ExpectedMore")
        interval = parameters.interval or DEFAULT
        most = DEFAULT_TOLD if parameters.most is None else parameters.most
        watcher = _Watcher(exchange, interval, most, self._reactor.now() + interval)
        exchange.event_of(self._message(self._look(), most))
        self._watchers.append(watcher)
        exchange.on_hang_up = lambda: self._end(watcher)
        if not self._ticks:
            self._ticks = True
            self._wait()

    def _end(self, watcher: _Watcher) -> None:
        self._watchers.remove(watcher)
        watcher.exchange.reply(_told(self._look(), watcher.most))

    def _wait(self) -> None:
        self._reactor.call_at(self._reactor.now() + SHORTEST, self._tick)

    def _tick(self) -> None:
        now = self._reactor.now()
        due = [watcher for watcher in self._watchers if watcher.due <= now]
        for watcher in due:
            watcher.due += ((now - watcher.due) // watcher.interval + 1) * watcher.interval
        # Who has not read what is there already is told the next time.
        readers = [watcher for watcher in due if not watcher.waits and not watcher.exchange.behind]
        if readers:
            self._tell(readers, self._look())
        self._ticks = bool(self._watchers)
        if self._ticks:
            self._wait()

    def _tell(self, readers: list[_Watcher], look: Parameters) -> None:
        def tell(reader: _Watcher) -> None:
            reader.waits = False
            reader.exchange.event_of(self._message(look, reader.most))

        for reader in readers:
            reader.waits = True
            self._turns.wait(reader.exchange.peer.uid, reader.exchange.operator, partial(tell, reader))

    def _look(self) -> Parameters:
        """The last one while it is good; whatever its age, all in it is of one moment."""
        now = self._reactor.now()
        if now - self._looked_at >= SHORTEST:
            self._last, self._looked_at = self._take_look(), now
        return self._last

    def _message(self, look: Parameters, most: int) -> bytes:
        """A look as many peers long; those who want as many get the same."""
        if look is not self._encoded:
            self._encoded = look
            self._messages.clear()
        if most not in self._messages:
            self._messages[most] = encode_reply(_told(look, most), continues=True)
        return self._messages[most]


def _told(look: Parameters, most: int) -> Parameters:
    return look | {"peers": look["peers"][:most]}
