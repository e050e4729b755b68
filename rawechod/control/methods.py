"""The control interface's methods: one small function each, in one table."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ValidationError

from rawechod import __version__, config_problems, events, journal, privileges
from rawechod.config import Config, Table, dump
from rawechod.control import varlink
from rawechod.control.arming import ArmParameters, DisarmParameters, arm, disarm
from rawechod.control.authorize import Operators
from rawechod.control.connection import Exchange
from rawechod.control.descriptions import descriptions
from rawechod.control.peers import Peers, PeersParameters
from rawechod.control.probing import ProbeParameters, Probing
from rawechod.control.tracing import JudgeParameters, TraceParameters, judge, trace
from rawechod.control.varlink import INTERFACE, SERVICE, CallError, Parameters
from rawechod.control.watching import MOST_TOLD, Watching, WatchParameters
from rawechod.echo.listener import Listener, ListenerStatus
from rawechod.echo.tracing import Tracer
from rawechod.errors import RawechoError
from rawechod.probe.prober import Prober
from rawechod.reactor import Reactor

URL = "https://rawecho.io/"


class Daemon(Protocol):
    """What the methods need of the daemon."""

    prober: Prober
    tracer: Tracer

    def uptime(self) -> float:
        """Seconds."""

    def config_path(self) -> str:
        """Where the configuration came from."""

    def configuration(self) -> Config:
        """The configuration in force."""

    def operators(self) -> Operators:
        """Who may act."""

    def listeners(self) -> list[ListenerStatus]:
        """Every listener as it stands."""

    def responders(self) -> list[Listener]:
        """All listeners themselves."""

    def loopbacks(self) -> list[Listener]:
        """The listeners of mode loopback."""

    def pid(self) -> int:
        """The process."""

    def reload(self, done: Callable[[Exception | None], None]) -> None:
        """Read the file again and call back, with an error where everything stays as it was."""


class NoParameters(Table):
    """A method without parameters."""


class DescriptionParameters(Table):
    """GetInterfaceDescription's."""

    interface: str


class Callers(Enum):
    """Who may call a method; each has to say."""

    EVERYBODY = "everybody"
    OPERATORS = "operators"


class Method(NamedTuple):
    """A row of the table."""

    carry_out: Callable[[Methods, Exchange, Any], None]
    callers: Callers
    parameters: type[BaseModel] = NoParameters


class Methods:
    """Carries calls out."""

    def __init__(self, daemon: Daemon, reactor: Reactor) -> None:
        self._daemon = daemon
        self._privileges = dataclasses.asdict(privileges.present())
        self._peers = Peers(reactor.now)
        self._shown: tuple[Config, bytes] | None = None
        """GetConfig's reply, as long as that configuration is in force."""
        self._watching = Watching(reactor, self._look)
        self._probing = Probing(daemon.uptime, lambda: daemon.prober)

    def __call__(self, exchange: Exchange) -> None:
        """Look the method up, check the caller and the parameters, carry it out; raises CallError."""
        name = exchange.call.method
        method = METHODS.get(name)
        if method is None:
            raise _unknown(name)
        operators = self._daemon.operators()
        if method.callers is not Callers.EVERYBODY and not operators.permits(exchange.peer):
            journal.emit(events.REFUSED, uid=exchange.peer.uid, method=name)
            raise CallError("PermissionDenied", reason=operators.refusal)
        method.carry_out(self, exchange, _validated(method.parameters, exchange.call.parameters))

    def get_info(self, exchange: Exchange, _: NoParameters) -> None:
        """org.varlink.service: who we are."""
        exchange.reply(
            {
                "vendor": "rawecho",
                "product": "rawechod",
                "version": __version__,
                "url": URL,
                "interfaces": list(descriptions()),
            }
        )

    def get_interface_description(self, exchange: Exchange, parameters: DescriptionParameters) -> None:
        """org.varlink.service: an interface's text."""
        text = descriptions().get(parameters.interface)
        if text is None:
            raise CallError(f"{SERVICE}.InterfaceNotFound", interface=parameters.interface)
        exchange.reply({"description": text})

    def get_status(self, exchange: Exchange, _: NoParameters) -> None:
        """How the daemon stands."""
        exchange.reply(self._status())

    def watch(self, exchange: Exchange, parameters: WatchParameters) -> None:
        """The same and the busiest peers, again and again."""
        self._watching.start(exchange, parameters)

    def _status(self) -> Parameters:
        daemon, now = self._daemon, self._daemon.uptime()
        return {
            "version": __version__,
            "pid": daemon.pid(),
            "uptime_s": round(now, 3),
            "config": daemon.config_path(),
            "privileges": self._privileges,
            "listeners": [dataclasses.asdict(listener) for listener in daemon.listeners()],
            "probes": self._probing.running(now),
        }

    def _look(self) -> Parameters:
        peers = self._peers.busiest(self._daemon.responders(), MOST_TOLD)
        return self._status() | {"at_ns": time.time_ns(), "peers": peers}

    def get_counters(self, exchange: Exchange, _: NoParameters) -> None:
        """The listeners' counters."""
        names = (
            "interface",
            "ethertype",
            "received",
            "replied",
            "dropped",
            "transmit_errors",
            "probe_replies",
            "kernel_drops",
        )
        listeners = self._daemon.listeners()
        exchange.reply({"listeners": [{name: getattr(one, name) for name in names} for one in listeners]})

    def get_peers(self, exchange: Exchange, parameters: PeersParameters) -> None:
        """Whose requests the listeners get."""
        exchange.reply_of(self._peers.get(self._daemon.responders(), parameters))

    def get_config(self, exchange: Exchange, _: NoParameters) -> None:
        """The configuration in force."""
        daemon = self._daemon
        configuration = daemon.configuration()
        if self._shown is None or self._shown[0] is not configuration:
            shown = {"path": daemon.config_path(), "config": dump(configuration)}
            self._shown = (configuration, varlink.encode_reply(shown))
        exchange.reply_of(self._shown[1])

    def arm(self, exchange: Exchange, parameters: ArmParameters) -> None:
        """Let a loopback return frames, for a time."""
        exchange.reply(arm(self._daemon.loopbacks(), parameters, exchange.peer.uid))

    def disarm(self, exchange: Exchange, parameters: DisarmParameters) -> None:
        """Let loopbacks return nothing any more."""
        exchange.reply(disarm(self._daemon.loopbacks(), parameters, exchange.peer.uid))

    def trace(self, exchange: Exchange, parameters: TraceParameters) -> None:
        """Tell of each frame and what became of it."""
        trace(self._daemon.tracer, self._daemon.responders(), exchange, parameters)

    def judge(self, exchange: Exchange, parameters: JudgeParameters) -> None:
        """What would become of captured frames."""
        exchange.reply(judge(self._daemon.responders(), parameters))

    def reload(self, exchange: Exchange, _: NoParameters) -> None:
        """Read the configuration again."""

        def done(error: Exception | None) -> None:
            if error is None:
                exchange.reply({"config": self._daemon.config_path()})
            elif isinstance(error, RawechoError):
                exchange.fail(CallError("InvalidConfig", problems=str(error).splitlines()))
            else:
                exchange.fail(CallError("InternalError"))

        self._daemon.reload(done)

    def probe(self, exchange: Exchange, parameters: ProbeParameters) -> None:
        """Start a probe; its events and its summary follow."""
        self._probing.start(exchange, parameters)


METHODS = {
    f"{SERVICE}.GetInfo": Method(Methods.get_info, Callers.EVERYBODY),
    f"{SERVICE}.GetInterfaceDescription": Method(
        Methods.get_interface_description, Callers.EVERYBODY, DescriptionParameters
    ),
    f"{INTERFACE}.GetStatus": Method(Methods.get_status, Callers.EVERYBODY),
    f"{INTERFACE}.GetCounters": Method(Methods.get_counters, Callers.EVERYBODY),
    f"{INTERFACE}.GetPeers": Method(Methods.get_peers, Callers.EVERYBODY, PeersParameters),
    f"{INTERFACE}.Watch": Method(Methods.watch, Callers.EVERYBODY, WatchParameters),
    f"{INTERFACE}.GetConfig": Method(Methods.get_config, Callers.EVERYBODY),
    f"{INTERFACE}.Probe": Method(Methods.probe, Callers.OPERATORS, ProbeParameters),
    f"{INTERFACE}.Arm": Method(Methods.arm, Callers.OPERATORS, ArmParameters),
    f"{INTERFACE}.Disarm": Method(Methods.disarm, Callers.OPERATORS, DisarmParameters),
    f"{INTERFACE}.Trace": Method(Methods.trace, Callers.OPERATORS, TraceParameters),
    f"{INTERFACE}.Judge": Method(Methods.judge, Callers.OPERATORS, JudgeParameters),
    f"{INTERFACE}.Reload": Method(Methods.reload, Callers.OPERATORS),
}


def _unknown(name: str) -> CallError:
    interface, _, method = name.rpartition(".")
    if interface in (SERVICE, INTERFACE):
        return CallError(f"{SERVICE}.MethodNotFound", method=method)
    return CallError(f"{SERVICE}.InterfaceNotFound", interface=interface)


def _validated(model: type[BaseModel], parameters: Parameters) -> BaseModel:
    # Before pydantic, which takes microseconds to describe each of what may be many thousands.
    unknown = next((name for name in parameters if name not in model.model_fields), None)
    if unknown is not None:
        raise CallError(f"{SERVICE}.InvalidParameter", parameter=unknown)
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        detail = error.errors()[0]
        name = str(detail["loc"][0])
        if detail["type"] in ("value_error", "greater_than_equal", "less_than_equal", "too_long"):
            problem = config_problems.from_pydantic(error, parameters, {})[0]
            raise CallError("InvalidRequest", parameter=name, reason=problem.sentence) from error
        raise CallError(f"{SERVICE}.InvalidParameter", parameter=name) from error
