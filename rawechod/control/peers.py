"""GetPeers: whose requests the listeners get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from heapq import nlargest
from operator import itemgetter
from typing import Annotated, NamedTuple

from pydantic import Field

from rawechod.config import Table
from rawechod.control import varlink
from rawechod.control.tracing import listeners_on
from rawechod.control.varlink import Parameters
from rawechod.durations import UNITS
from rawechod.echo.listener import Listener
from rawechod.echo.peers import Counts
from rawechod.wire import ethernet

DEFAULT, MOST = 100, 1000
GOOD_FOR = 100 * UNITS["ms"]
"""A full table takes milliseconds to read, which frames would have to wait: however many ask, no more often."""


class PeersParameters(Table):
    """GetPeers'; the contract explains them."""

    interface: str | None = None
    most: Annotated[int, Field(ge=0, le=MOST)] | None = None


class _Ranking(NamedTuple):
    """A listener's peers at one moment."""

    busiest: list[tuple[Counts, bytes, Listener]]
    """Those who were most often received, as many as anybody may ask for."""
    known: int
    forgotten: int


class Peers:
    """The listeners' peers, for all who ask."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._rankings: dict[Listener, _Ranking] = {}
        self._texts: dict[str | None, list[str]] = {}
        """The same as JSON, a peer each, by the interface that was asked for."""
        self._looked_at = 0

    def get(self, listeners: list[Listener], parameters: PeersParameters) -> bytes:
        """GetPeers' reply, a message; raises CallError."""
        interface, most = parameters.interface, parameters.most
        meant = listeners if interface is None else listeners_on(listeners, interface)
        ranked = self._ranked(listeners)
        rankings = [ranked[one] for one in meant]
        if interface not in self._texts:
            self._texts[interface] = [json.dumps(peer) for peer in self._told(rankings, MOST)]
        peers = ",".join(self._texts[interface][: DEFAULT if most is None else most])
        known, forgotten = sum(one.known for one in rankings), sum(one.forgotten for one in rankings)
        return varlink.reply_of(f'{{"peers":[{peers}],"known":{known},"forgotten":{forgotten}}}')

    def busiest(self, listeners: list[Listener], most: int) -> list[Parameters]:
        """So many of all, as it is now."""
        return self._told(self._look(listeners).values(), most)

    def _ranked(self, listeners: list[Listener]) -> dict[Listener, _Ranking]:
        good = self._now() - self._looked_at < GOOD_FOR and listeners == list(self._rankings)
        return self._rankings if good else self._look(listeners)

    def _look(self, listeners: list[Listener]) -> dict[Listener, _Ranking]:
        self._texts.clear()
        self._rankings, self._looked_at = {one: _rank(one) for one in listeners}, self._now()
        return self._rankings

    def _told(self, rankings: Iterable[_Ranking], most: int) -> list[Parameters]:
        everybody = (ranked for ranking in rankings for ranked in ranking.busiest)
        return [self._peer(*ranked) for ranked in nlargest(most, everybody, key=itemgetter(0))]

    def _peer(self, counts: Counts, mac: bytes, listener: Listener) -> Parameters:
        received, replied, last = counts
        return {
            "interface": listener.interface,
            "ethertype": listener.settings.ethertype,
            "mac": ethernet.format_mac(mac),
            "received": received,
            "replied": replied,
            "last_seen_s": round((self._now() - last) / 1e9, 3),
        }


def _rank(listener: Listener) -> _Ranking:
    census = listener.census()
    ranked = nlargest(MOST, ((counts, mac, listener) for mac, counts in census.peers.items()), key=itemgetter(0))
    return _Ranking(ranked, len(census.peers), census.forgotten)
