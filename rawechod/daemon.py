"""Wires the three doors (frames, probes, control); reload; shutdown."""

from __future__ import annotations

import os
import signal

from rawechod import __version__, events, journal, privileges, systemd
from rawechod.config import Config, Control
from rawechod.config_problems import ConfigError, Problem
from rawechod.control import location
from rawechod.control.authorize import Operators, resolve
from rawechod.control.endpoint import Endpoint
from rawechod.control.methods import Methods
from rawechod.control.server import Server
from rawechod.echo.listener import UP, Listener, ListenerStatus
from rawechod.echo.tracing import Tracer
from rawechod.errors import PrivilegeError
from rawechod.link import LinkMonitor
from rawechod.listeners import Listeners
from rawechod.loading import Loaded
from rawechod.packet.socket import open_unbound
from rawechod.probe.prober import Prober
from rawechod.reactor import Reactor
from rawechod.reload import Done, Reload

MOST_TOLD = 8
"""Listeners by name in the service's status."""


class Daemon:
    """The whole service."""

    def __init__(self, configuration: Config, source: str, control_path: str, reloadable: bool) -> None:
        """Binds everything; raises PrivilegeError, ControlSocketError."""
        passed = systemd.listen_sockets()  # Before anything of ours can have one of their numbers.
        open_unbound().close()
        # First of all: of two daemons that are started the second one must not answer, not even for a moment.
        self._endpoint = None if passed else Endpoint(control_path)
        if not reloadable:
            _restrict()
        journal.start(configuration.log.level)
        self._config, self._source = configuration, source
        self._reactor = Reactor()
        self._reload = Reload(self._reactor, source, self._put_in_force) if reloadable else None
        journal.tell_in_time(self._reactor.call_at)
        self._started = self._reactor.now()
        self._operators = _told(resolve(configuration.control.operators))
        self._links = LinkMonitor(self._links_changed)
        self.tracer = Tracer(self._reactor.now)
        self._listeners = Listeners(self._reactor, self._links, self._followed)
        self.prober = Prober(self._reactor, self._links, configuration)
        self._sockets = [self._endpoint.socket] if self._endpoint else passed
        self._server: Server | None = None
        """Once all listeners have been started; who asks for a reload before has to wait."""
        self._early: list[Done] = []
        self._reactor.register(self._links.fileno(), self._links.read)
        self._watch_signals()
        self._reactor.on_clock_step(self._clock_stepped)

    def run(self) -> None:
        """Serve until told to end; raises PrivilegeError."""
        self._listeners.replace(self._config.echo, self._serve)
        self._reactor.run()
        self._close()

    def _serve(self, error: Exception | None) -> None:
        """All listeners have been started."""
        if error:
            raise error
        self.tracer.follow(self._listeners.present)
        methods = Methods(self, self._reactor)
        self._server = Server(self._reactor, self._sockets, methods, lambda peer: self.operators().permits(peer))
        control = str(self._endpoint.path) if self._endpoint else "passed by the service manager"
        journal.emit(events.STARTED, version=__version__, config=self._source, control=control)
        systemd.ready(self._status_line())
        interval = systemd.watchdog_interval()
        if interval:
            self._feed_watchdog(interval)
        for done in self._early:
            self.reload(done)

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
        return [listener.status() for listener in self._listeners.present]

    def responders(self) -> list[Listener]:
        """All listeners."""
        return self._listeners.present

    def loopbacks(self) -> list[Listener]:
        """Those that are to be armed before they answer."""
        return [listener for listener in self._listeners.present if listener.arming.needed]

    def reload(self, done: Done) -> None:
        """Put the file's new content in force and call back; where that fails the old one stays."""
        if self._reload and not self._server:
            self._early.append(done)
        elif self._reload:
            self._reload.request(done)
        else:
            problem = Problem("", "there is no file to reload: started with --interface")
            done(ConfigError(self._source, [problem]))

    def _put_in_force(self, new: Loaded, done: Done) -> None:
        open_unbound().close()  # From here on hardly anything refuses.

        def replaced(error: Exception | None) -> None:
            self.tracer.follow(self._listeners.present)
            if error is None:
                self._config = self.prober.config = new.config
                journal.start(new.config.log.level)
                self._operators = _told(new.operators)
                systemd.ready(self._status_line())
            done(error)

        self._listeners.replace(new.config.echo, replaced)

    def _clock_stepped(self) -> None:
        for listener in self._listeners.present:
            listener.clock_stepped()

    def _links_changed(self) -> None:
        self._listeners.follow()
        self.prober.links_changed()

    def _followed(self) -> None:
        if self._server:
            systemd.notify(f"STATUS={self._status_line()}")

    def _status_line(self) -> str:
        """Short: the service manager throws a longer message than 4096 octets away, and READY=1 with it."""
        present = self._listeners.present
        if not present:
            return "no listener is configured"
        told = [f"{one.interface} {one.state}" for one in present]
        if len(told) <= MOST_TOLD:
            return f"answering on {', '.join(told)}"
        wrong = [f"{one.interface} {one.state}" for one in present if one.state != UP]
        more = ", ..." if len(wrong) > MOST_TOLD else ""
        rest = f"; {', '.join(wrong[:MOST_TOLD])}{more}" if wrong else ""
        return f"answering on {len(told) - len(wrong)} of {len(told)} interfaces{rest}"

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
        self._listeners.close()
        if self._server:
            self._server.close()
        if self._endpoint:
            self._endpoint.close()
        self._links.close()
        self._reactor.close()


def _restrict() -> None:
    """Started by hand, there is no unit that would have done it. Raises PrivilegeError."""
    try:
        privileges.drop(location.SERVICE_USER)
    except OSError as error:
        raise PrivilegeError(f"root's privileges can't be given up: {error.strerror}") from error


def _told(operators: Operators) -> Operators:
    """Who may act, after a word in the journal on those whom nobody knows."""
    # Those of the default need not exist: nobody asked for them.
    for name in set(operators.unknown) - set(Control().operators):
        journal.emit(events.UNKNOWN_OPERATOR, operator=name)
    return operators
