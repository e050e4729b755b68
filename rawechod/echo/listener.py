"""One `[[echo]]` table at work: follows its interface and keeps an engine on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rawechod import driver, events, journal
from rawechod.config import Echo
from rawechod.echo import accelerator, epoll_engine
from rawechod.echo.accelerator import Tables
from rawechod.echo.arming import Arming
from rawechod.echo.counters import Counters
from rawechod.echo.engines import Engine, Kit, new_engine
from rawechod.echo.epoll_engine import Duty
from rawechod.echo.loopback import LoopbackReflector
from rawechod.echo.modes import new_filter, new_policy, new_reflector
from rawechod.echo.peers import Census, Memory
from rawechod.echo.reflector import Policy
from rawechod.echo.storm import StormWatch
from rawechod.echo.tracing import Sink
from rawechod.errors import InterfaceError
from rawechod.link import LOOPBACK_ONLY, Link, LinkMonitor
from rawechod.packet.socket import Options
from rawechod.reactor import Reactor
from rawechod.wire import ethernet

UP, DOWN, ABSENT = "up", "down", "absent"
COMPILED_MODES = frozenset({"echo", "loopback"})
NOT_COMPILED = "this rawechod was built without its part in C: Python answers, at a fraction of the pace"
VLANS_HIDDEN = "its NIC drops frames of VLANs that no interface here has: set promiscuous = true to answer them"
TAPPED_BEFORE_PROTOCOLS = frozenset({"bridge", "bond", "team"})
"""On ports of these a socket bound to one EtherType hears nothing but link-local groups."""


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """A listener at one moment."""

    interface: str
    ifindex: int | None
    mac: str | None
    mtu: int | None
    ethertype: str
    domain: str
    mode: str
    engine: str
    xdp: str | None
    """The mode of the kernel engine's program; None with other engines."""
    tap: str
    """What the socket is bound to: `protocol` or `all`."""
    state: str
    """`up`, `down` or `absent`."""
    armed: bool | None
    """Loopback mode: whether anything is returned; None in other modes."""
    armed_for_s: float | None
    """How long it stays armed, seconds; None where it does not disarm itself."""
    received: int
    replied: int
    dropped: dict[str, int]
    transmit_errors: dict[str, int]
    probe_replies: int
    kernel_drops: int
    notes: list[str]


class Listener:
    """Answers on one interface for as long as it is configured, whatever becomes of the interface."""

    def __init__(self, reactor: Reactor, settings: Echo, listeners: int = 1) -> None:
        """One of so many, which share the memory for receive rings."""
        self.settings = settings
        self._listeners = listeners
        self.state = ""
        self._reactor = reactor
        self._counters = Counters()
        self._engine: Engine | None = None
        self._engine_note = ""
        self._link: Link | None = None
        self._problem = ""
        self._inherited_drops = 0
        self._bridge = ""
        self._ethertype = ethernet.ETHERTYPES[settings.ethertype]
        self._reflector = new_reflector(settings, Policy(self._ethertype, ethernet.ZERO, 0))
        self._tables = Tables() if settings.mode in COMPILED_MODES and accelerator.available() else None
        self.arming = Arming(reactor, settings, self._arming_changed)
        self._storm_watch: StormWatch | None = None
        self._sink: Sink | None = None
        self._links: LinkMonitor | None = None

    @property
    def interface(self) -> str:
        """The interface's name."""
        return self.settings.interface

    def follow(self, links: LinkMonitor) -> None:
        """Bring the engine in line with the interface as it is now; raises PrivilegeError."""
        link = links.by_name(self.settings.interface)
        before, self._link, self._links = self._link, link, links
        if link != before or not self._engine:
            self._follow(before, link)
        fit = self._engine or (not self.arming.armed and not self._problem)
        self._set_state(UP if fit and link and link.up else DOWN if link else ABSENT, before, links)

    def arm(self, duration: int, uid: int) -> None:
        """Loopback mode: return frames for so many nanoseconds."""
        link = self._link
        self.arming.arm(duration, uid, ethernet.format_mac(link.mac) if link and link.mac else "its MAC")

    def trace(self, sink: Sink | None) -> None:
        """Tell of each frame from now on; None = no more."""
        self._sink = sink
        if not self._engine:
            return
        try:
            self._engine.trace(sink)
        except InterfaceError:
            pass  # It is gone: rtnetlink is about to tell.

    def settle_trace(self) -> None:
        """Tell of whatever has happened up to now."""
        if self._engine:
            self._engine.settle_trace()

    def policy(self) -> Policy | None:
        """What it answers on the interface as it is; None without one."""
        if not self._link or not self._link.mac:
            return None
        policy = self._policy(self._link)
        return policy if self._engine_name == epoll_engine.NAME else policy.with_tags()

    def retry(self) -> None:
        """Have `follow` try for the wanted engine again, where it could not be had."""
        if self._engine_note or (self._engine and self._engine.note):
            self._stop()

    def close(self) -> Memory:
        """Stop, for good: what it remembered."""
        self.arming.close()
        self._stop()
        memory = (self._tables or self._reflector).export()._replace(dropped=self._counters.kernel_drops)
        if self._tables:
            self._tables.close()
        self._tables = None
        return memory

    def inherit(self, settings: Echo, memory: Memory) -> None:
        """Go on with the sessions of a listener that ended, where this one takes its place with other settings."""
        if _place(settings) == _place(self.settings):
            (self._tables or self._reflector).import_(memory.uncounted())
            self._inherited_drops = self._counters.kernel_drops = memory.dropped

    def _stop(self) -> None:
        if self._storm_watch:
            self._storm_watch.close()
        self._storm_watch = None
        if self._engine:
            self._engine.close()
        self._engine = None

    def status(self) -> ListenerStatus:
        """How it stands."""
        if self._engine:
            self._engine.flush()
        link, settings, counters = self._link, self.settings, self._counters.values()
        return ListenerStatus(
            interface=settings.interface,
            ifindex=link.ifindex if link else None,
            mac=ethernet.format_mac(link.mac) if link and link.mac else None,
            mtu=link.mtu if link else None,
            ethertype=settings.ethertype,
            domain=settings.domain,
            mode=settings.mode,
            engine=self._engine_name,
            xdp=self._engine.xdp if self._engine else None,
            tap=self._tap(link),
            state=self.state,
            armed=self.arming.armed if self.arming.needed else None,
            armed_for_s=self.arming.remaining,
            **asdict(counters),
            kernel_drops=self._counters.kernel_drops - self._inherited_drops,
            notes=self._notes(counters.dropped),
        )

    def census(self) -> Census:
        """What is counted of each of its peers, by whoever served them."""
        counted = self._reflector.peers.census()
        for each in (self._tables, self._engine):
            counted = each.census().plus(counted) if each else counted
        return counted

    @property
    def _engine_name(self) -> str:
        return self._engine.name if self._engine else "none" if not self.arming.armed else epoll_engine.NAME

    def _arming_changed(self) -> None:
        if not self.arming.armed:
            self._stop()
        if self._links:
            self.follow(self._links)

    def _follow(self, before: Link | None, link: Link | None) -> None:
        if link is None or not link.ethernet:
            self._stop()
            self._problem = "it does not speak Ethernet" if link else ""
            return
        if not self.arming.armed:
            self._stop()
            self._problem = self._engine_note = ""
            return
        if self._engine and before and self._same_socket(before, link):
            self._engine.adopt(self._duty(link))
            return
        self._stop()
        self._start_engine(link)

    def _start_engine(self, link: Link) -> None:
        self._problem = self._engine_note = ""
        try:
            kit = Kit(self._reactor, link.ifindex, self._options(link), self._duty(link), self._counters)
            self._engine, problem = new_engine(self.settings.engine, kit)
        except InterfaceError as error:
            self._problem = str(error)  # Gone or renamed meanwhile: rtnetlink is about to tell.
            return
        self.trace(self._sink)
        if isinstance(self._reflector, LoopbackReflector):
            name = self.settings.interface
            self._storm_watch = StormWatch(self._reactor, name, self._engine, self._reflector)
        if problem:
            self._engine_note = f"the epoll engine answers: {problem}"
            where = {"interface": self.settings.interface, "ethertype": self.settings.ethertype}
            journal.emit(events.ENGINE_FALLBACK, **where, engine=self._engine.name, problem=problem)

    def clock_stepped(self) -> None:
        """The kernel engine stamps with a clock of its own and an offset, which has changed."""
        if self._engine and self._link:
            self._engine.adopt(self._duty(self._link))

    def _same_socket(self, before: Link, link: Link) -> bool:
        """Whether a socket that was opened on `before` serves `link` as well."""
        same_device = (before.ifindex, before.generation) == (link.ifindex, link.generation)
        return same_device and self._tap(before) == self._tap(link)

    def _tap(self, link: Link | None) -> str:
        """What `tap` means on this interface."""
        if self.settings.tap != "auto":
            return self.settings.tap
        port_of = link.port_of if link else ""
        everything = self._ethertype == ethernet.ETH_P_ALL or port_of in TAPPED_BEFORE_PROTOCOLS
        return "all" if everything else "protocol"

    def _duty(self, link: Link) -> Duty:
        settings = self.settings
        policy = self._policy(link)
        self._reflector.adopt(policy)
        limits = (settings.rate_limit, settings.peer_rate_limit) if settings.mode != "hello" else None
        breaker = self._reflector.breaker if isinstance(self._reflector, LoopbackReflector) else None
        return Duty(
            policy, self._reflector, limits, breaker, settings.spin, settings.xdp, self._tables, self._listeners
        )

    def _policy(self, link: Link) -> Policy:
        return new_policy(self.settings, link, protocol_bound=self._tap(link) == "protocol")

    def _options(self, link: Link) -> Options:
        return Options(
            ethertype=self._ethertype if self._tap(link) == "protocol" else ethernet.ETH_P_ALL,
            filter=new_filter(self.settings),
            domain=self.settings.domain,
            join_pae_group=self._ethertype in (ethernet.ETH_P_ALL, ethernet.ETH_P_PAE) and not link.loopback,
            promiscuous=self.settings.promiscuous,
        )

    def _set_state(self, state: str, before: Link | None, links: LinkMonitor) -> None:
        """Journal what an operator wants to know."""
        link, name = self._link, self.settings.interface
        fields = {"interface": name, "ethertype": self.settings.ethertype}
        mac = ethernet.format_mac(link.mac) if link and link.mac else ""
        if state != self.state:
            self._tell_state(state, fields | {"mac": mac}, before, links)
        elif link and before and (link.mac, link.mtu) != (before.mac, before.mtu):
            journal.emit(events.LISTENER_CHANGED, **fields, mac=mac, mtu=link.mtu)
        self.state = state
        self._follow_bridge(links, fields)

    def _tell_state(self, state: str, fields: dict[str, str], before: Link | None, links: LinkMonitor) -> None:
        if state == UP and not self.arming.armed:
            journal.emit(events.LOOPBACK_DISARMED, interface=fields["interface"], hint="")
        elif state == UP:
            journal.emit(events.LISTENER_UP, **fields, mode=self.settings.mode, engine=self._engine_name)
        elif self._problem and state == DOWN:
            journal.emit(events.LISTENER_UNFIT, **fields, problem=self._problem)
        elif state == DOWN:
            journal.emit(events.LISTENER_DOWN, **fields)
        else:
            renamed = links.by_ifindex(before.ifindex) if before else None
            hint = f"it is called {renamed.name} now" if renamed else links.other_name(self.interface)
            journal.emit(events.LISTENER_ABSENT, **fields, hint=f" ({hint})" if hint else "")

    def _follow_bridge(self, links: LinkMonitor, fields: dict[str, str]) -> None:
        is_port = self._link and self._link.port_of == "bridge"
        master = links.by_ifindex(self._link.master) if self._link and is_port else None
        bridge = master.name if master else ""
        if bridge and bridge != self._bridge:
            journal.emit(events.BRIDGE_PORT, **fields, bridge=bridge)
        self._bridge = bridge

    def _hides_vlans(self) -> bool:
        """Whether the NIC drops tagged requests that the engine would answer."""
        link = self._link
        if not link or not self._engine or self.settings.promiscuous or link.port_of:
            return False
        sees_tags = self._engine.xdp is not None or self._tap(link) == "all"
        return sees_tags and driver.filters_vlans(link.ifindex)

    def _notes(self, dropped: dict[str, int]) -> list[str]:
        absence = self._links.other_name(self.interface) if self._links and not self._link else ""
        told = (absence, self._problem, self._engine_note, self._engine.note if self._engine else "")
        notes = [note for note in told if note]
        if self._engine and not self._tables and self.settings.mode in COMPILED_MODES:
            notes.append(NOT_COMPILED)
        if self._link and self._link.loopback:
            notes.append(LOOPBACK_ONLY)
        if self._bridge:
            notes.append(
                f"port of the bridge {self._bridge}: group frames end here unless the bridge forwards them, and "
                f"{self._bridge} must have no listener of its own where it shares this MAC"
            )
        if self._hides_vlans():
            notes.append(VLANS_HIDDEN)
        if "tag_lost" in dropped:
            notes.append('tagged frames came and could not be answered: set tap = "all"')
        return notes


def _place(settings: Echo) -> tuple[str, str, str]:
    """What makes it the same responder to those who ask."""
    return settings.interface, settings.ethertype, settings.mode
