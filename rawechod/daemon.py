"""Wires the three doors (frames, probes, control); reload; shutdown."""

from __future__ import annotations

import os
import signal

from rawechod import __version__, events, journal, systemd
from rawechod.config import Config, Control, Echo
from rawechod.config_problems import ConfigError, Problem
from rawechod.control.authorize import Operators, resolve
from rawechod.control.endpoint import Endpoint
from rawechod.control.methods import Methods
from rawechod.control.server import Server
from rawechod.echo.listener import Listener, ListenerStatus
from rawechod.echo.tracing import Tracer
from rawechod.link import LinkMonitor
from rawechod.loading import Loaded
from rawechod.packet.socket import open_unbound
from rawechod.probe.prober import Prober
from rawechod.reactor import Reactor
from rawechod.reload import Done, Reload


class Daemon:
    """The whole service."""

    def __init__(self, configuration: Config, source: str, control_path: str, reloadable: bool) -> None:
        """Binds everything; raises PrivilegeError, ControlSocketError."""
        passed = systemd.listen_sockets()  # Before anything of ours can have one of their numbers.
        open_unbound().close()
        # First of all: of two daemons that are started the second one must not answer, not even for a moment.
        self._endpoint = None if passed else Endpoint(control_path)
        self._config, self._source = configuration, source
        self._reactor = Reactor()
        self._reload = Reload(self._reactor, source, self._put_in_force) if reloadable else None
        journal.tell_in_time(self._reactor.call_at)
        self._started = self._reactor.now()
        self._operators = _told(resolve(configuration.control.operators))
        self._links = LinkMonitor(self._links_changed)
        self.tracer = Tracer(self._reactor.now)
        self._listeners = self._reconciled(configuration)
        self.tracer.follow(self._listeners)
        self._follow_links()
        self.prober = Prober(self._reactor, self._links, configuration)
        sockets = [self._endpoint.socket] if self._endpoint else passed
        methods = Methods(self, self._reactor)
        self._server = Server(self._reactor, sockets, methods, lambda peer: self.operators().permits(peer))
        self._reactor.register(self._links.fileno(), self._links.read)
        self._watch_signals()
        self._reactor.on_clock_step(self._clock_stepped)

    def run(self) -> None:
        """Serve until told to end."""
        control = str(self._endpoint.path) if self._endpoint else "passed by the service manager"
        journal.emit(events.STARTED, version=__version__, config=self._source, control=control)
        systemd.ready(self._status_line())
        interval = systemd.watchdog_interval()
        if interval:
            self._feed_watchdog(interval)
        self._reactor.run()
        self._close()

    def uptime(self) -> float:
        """Seconds since the start."""
        return (self._reactor.now() - self._started) / 1e9

    def pid(self) -> int:
        """This process."""
        return os.getpid()

    def config_path(self) -> str:
        """Where the configuration came from."""
        return self._source

    def configuration(self) -> Config:
        """The configuration in force."""
        return self._config

    def operators(self) -> Operators:
        """Who may act."""
        return self._operators

    def listeners(self) -> list[ListenerStatus]:
        """Every listener as it stands."""
        return [listener.status() for listener in self._listeners]

    def responders(self) -> list[Listener]:
        """All listeners."""
        return self._listeners

    def loopbacks(self) -> list[Listener]:
        """Those that are to be armed before they answer."""
        return [listener for listener in self._listeners if listener.arming.needed]

    def reload(self, done: Done) -> None:
        """Put the file's new content in force and call back; where that fails the old one stays."""
        if self._reload:
            self._reload.request(done)
        else:
            problem = Problem("", "there is no file to reload: started with --interface")
            done(ConfigError(self._source, [problem]))

    def _put_in_force(self, new: Loaded) -> None:
        open_unbound().close()  # From here on nothing refuses.
        listeners = self._reconciled(new.config)
        for listener in self._listeners:
            if listener in listeners:
                listener.retry()
            else:
                listener.close()  # First, for an interface takes one XDP program.
        self._listeners, self._config, self.prober.config = listeners, new.config, new.config
        self.tracer.follow(listeners)
        self._follow_links()
        journal.start(new.config.log.level)
        self._operators = _told(new.operators)
        systemd.ready(self._status_line())

    def _reconciled(self, new: Config) -> list[Listener]:
        """A listener for each table; those whose table did not change go on, with their counters."""
        kept = {_key(listener.settings): listener for listener in getattr(self, "_listeners", [])}
        return [kept.get(_key(settings)) or Listener(self._reactor, settings) for settings in new.echo]

    def _follow_links(self) -> None:
        for listener in self._listeners:
            listener.follow(self._links)

    def _clock_stepped(self) -> None:
        for listener in self._listeners:
            listener.clock_stepped()

    def _links_changed(self) -> None:
        self._follow_links()
        self.prober.links_changed()
        systemd.notify(f"STATUS={self._status_line()}")

    def _status_line(self) -> str:
        parts = [f"{one.settings.interface} {one.state}" for one in self._listeners]
        return f"answering on {', '.join(parts)}" if parts else "no listener is configured"

    def _feed_watchdog(self, interval: int) -> None:
        systemd.feed_watchdog()
        self._reactor.call_at(self._reactor.now() + interval, lambda: self._feed_watchdog(interval))

    def _watch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._reactor.on_signal(number, lambda number=number: self._end(number))  # type: ignore[misc]
        # Its outcome is in the journal and in STATUS.
        self._reactor.on_signal(signal.SIGHUP, lambda: self.reload(lambda _error: None))

    def _end(self, number: signal.Signals) -> None:
        journal.emit(events.STOPPING, signal=number.name)
        systemd.stopping()
        self.prober.stop_all()
        self._reactor.stop()

    def _close(self) -> None:
        if self._reload:
            self._reload.close()
        for listener in self._listeners:
            listener.close()
        self._server.close()
        if self._endpoint:
            self._endpoint.close()
        self._links.close()
        self._reactor.close()


def _told(operators: Operators) -> Operators:
    """Who may act, after a word in the journal on those whom nobody knows."""
    # Those of the default need not exist: nobody asked for them.
    for name in set(operators.unknown) - set(Control().operators):
        journal.emit(events.UNKNOWN_OPERATOR, operator=name)
    return operators


def _key(settings: Echo) -> str:
    return settings.model_dump_json()
