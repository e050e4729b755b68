"""The storm breaker at work: looks once a second, asks whoever keeps sending, tells the journal."""

from __future__ import annotations

from rawechod import events, journal
from rawechod.echo.breaker import LOOK_EVERY, PAUSE, SECOND
from rawechod.echo.engines import Engine
from rawechod.echo.loopback import LoopbackReflector, question_frame
from rawechod.reactor import Reactor
from rawechod.wire import ethernet


class StormWatch:
    """Beside an engine in loopback mode, for as long as that runs."""

    def __init__(self, reactor: Reactor, interface: str, engine: Engine, reflector: LoopbackReflector) -> None:
        self._reactor = reactor
        self._interface = interface
        self._engine = engine
        self._reflector = reflector
        self._breaker = reflector.breaker
        self._next = reactor.call_at(reactor.now() + LOOK_EVERY, self._look)

    def close(self) -> None:
        """Look no more."""
        self._next.cancel()

    def _look(self) -> None:
        now = self._reactor.now()
        self._next = self._reactor.call_at(now + LOOK_EVERY, self._look)
        self._engine.survey(self._breaker)
        look = self._breaker.look(now)
        for asked in look.ask:
            own_mac = self._reflector.policy.own_mac
            self._engine.send(question_frame(asked, own_mac, self._breaker.session))
        for peer in look.closed:
            name = ethernet.format_mac(peer)
            journal.emit(events.STORM_BREAKER_CLOSED, interface=self._interface, peer=name)
        for peer in self._breaker.news():
            name, seconds = ethernet.format_mac(peer), PAUSE // SECOND
            journal.emit(events.STORM_BREAKER_OPEN, interface=self._interface, peer=name, seconds=seconds)
