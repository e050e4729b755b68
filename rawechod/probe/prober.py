"""Checks what a caller asks for, starts probes, and keeps track of those that run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rawechod.config import LARGEST_FRAME, Config
from rawechod.durations import UNITS
from rawechod.echo.hello import LENGTH as HELLO_LENGTH
from rawechod.errors import InterfaceError, OutsideError, RequestError
from rawechod.link import Link, LinkMonitor
from rawechod.packet.hardware import Hold, Switch
from rawechod.probe.events import ProbeEvent
from rawechod.probe.hosts import look_up
from rawechod.probe.job import STAMPED_INTERVAL, Job, Order, Outcome
from rawechod.probe.pattern import DEFAULT_PATTERN, payload
from rawechod.probe.session import Plan
from rawechod.probe.vlan import parse_tags
from rawechod.reactor import Reactor
from rawechod.wire import echo, ethernet

FLOOD_WINDOW = 64
"""Most requests of a flood that are unanswered."""
MOST_OPEN = 1 << 20
"""Requests of all probes that may wait for their replies: 40 MB."""
GROUP_INTERVAL = 100 * UNITS["ms"]
"""A group is asked at most ten times a second."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for; None = as the configuration says."""

    interface: str | None = None
    target: str | None = None
    ethertype: str | None = None
    count: int | None = None
    interval: int | None = None
    timeout: int | None = None
    deadline: int | None = None
    size: int | None = None
    hello: bool = False
    vlan: str | None = None
    pcp: int | None = None
    pattern: str | None = None
    flood: bool = False
    one_way: bool = False
    hardware_timestamps: bool = False
    quiet: bool = False
    report_every: int | None = None


class Prober:
    """All probes of a daemon."""

    def __init__(self, reactor: Reactor, links: LinkMonitor, config: Config, switch: Switch | None = None) -> None:
        self._reactor = reactor
        self._switch = switch or Switch()
        self._links = links
        self.config = config
        self.jobs: list[Job] = []

    def start(
        self,
        wish: Wish,
        on_event: Callable[[ProbeEvent], None],
        on_end: Callable[[Outcome], None],
    ) -> Job:
        """Start a probe; raises RequestError, InterfaceError, PrivilegeError."""
        order, hold = self.order(wish), Hold(self._switch, wish.hardware_timestamps)

        def ended(outcome: Outcome) -> None:
            self.jobs.remove(job)
            hold.close()
            on_end(outcome)

        hold.move(order.link.ifindex)
        try:
            job = Job(self._reactor, order, hold, on_event, ended)
        except OutsideError:
            hold.close()
            raise
        self.jobs.append(job)
        return job

    def stop_all(self) -> None:
        """The daemon ends: end every probe, each with its summary."""
        for job in list(self.jobs):
            job.end("daemon")

    def links_changed(self) -> None:
        """Let running probes follow interfaces that were deleted and made again."""
        for job in list(self.jobs):
            job.follow(self._links.by_name(job.order.link.name))

    def order(self, wish: Wish) -> Order:
        """The wish with the configuration's defaults, checked; raises RequestError or InterfaceError."""
        link = self._link(wish.interface)
        ethertype = self._ethertype(wish, link)
        target = self._target(wish, link)
        size = HELLO_LENGTH if wish.hello else wish.size or self._size(ethertype)
        largest = _check_size(size, link, ethertype)
        if wish.hello and not link.loopback:
            raise RequestError(f"the tutorial's exchange works on lo only, not on {link.name}", "hello")
        plan, tags = self._plan(wish, target), _tags(wish)
        return Order(
            link=link,
            ethertype=ethertype,
            target=target,
            plan=plan,
            size=size,
            hello=wish.hello,
            tags=tags,
            pattern=_pattern(wish),
            quiet=wish.quiet,
            largest=largest,
            one_way=wish.one_way,
        )

    def _size(self, ethertype: int) -> int:
        """The configuration's, or the smallest there is: the envelope of 802.1X takes four octets more."""
        return max(self.config.probe.size, echo.overhead(ethertype))

    def _link(self, wanted: str | None) -> Link:
        name = wanted or self.config.probe.interface or self._only_listener()
        allowed = self._interfaces()
        if name not in allowed:
            raise RequestError(
                f"probing from {name} is not configured; allowed: {', '.join(allowed) or 'none'} (add it to "
                "probe.interfaces)",
                "interface",
            )
        link = self._links.by_name(name)
        if link is None:
            raise InterfaceError(self._links.other_name(name) or f"there is no interface {name}")
        if not link.ethernet:
            raise InterfaceError(f"{name} does not speak Ethernet")
        if not link.up:
            raise InterfaceError(f"{name} is down")
        return link

    def _interfaces(self) -> list[str]:
        probe = self.config.probe
        names = [listener.interface for listener in self.config.echo]
        return list(dict.fromkeys([*names, *([probe.interface] if probe.interface else []), *probe.interfaces]))

    def _only_listener(self) -> str:
        names = list(dict.fromkeys(listener.interface for listener in self.config.echo))
        if len(names) == 1:
            return names[0]
        raise RequestError(
            f"name the interface: {', '.join(self._interfaces()) or 'none is configured'}", "interface"
        )

    def _ethertype(self, wish: Wish, link: Link) -> int:
        listeners = {listener.interface: listener.ethertype for listener in self.config.echo}
        if wish.hello:  # The tutorial's server is heard under every EtherType alone; a listener is under its own.
            listeners = {one.interface: one.ethertype for one in self.config.echo if one.mode == "hello"}
        of_listener = listeners.get(link.name, "ETH_P_ALL")
        name = wish.ethertype or (of_listener if wish.hello else self.config.probe.ethertype or of_listener)
        try:
            ethertype = ethernet.parse_ethertype(name)
        except ValueError as error:
            raise RequestError(str(error), "ethertype") from error
        if ethertype != ethernet.ETH_P_ALL or wish.hello:
            return ethertype
        if wish.ethertype:
            raise RequestError("a probe needs one EtherType, such as ETH_P_802_EX1", "ethertype")
        return ethernet.ETH_P_802_EX1

    def _target(self, wish: Wish, link: Link) -> bytes | None:
        if wish.target in ethernet.GROUPS:
            return ethernet.GROUPS[wish.target]
        if wish.target is None:
            return ethernet.ZERO if link.loopback else self.config.probe.target
        target = look_up(wish.target, self.config.hosts)
        try:
            target = target or ethernet.parse_mac(wish.target)
        except ValueError as error:
            names = ", ".join([*ethernet.GROUPS, *self.config.hosts])
            raise RequestError(f"{error}; or {names}, or a name in /etc/ethers", "target") from error
        if target == link.mac and not link.loopback:
            raise RequestError(f"{wish.target} is {link.name}'s own MAC", "target")
        return target

    def _plan(self, wish: Wish, target: bytes | None) -> Plan:
        probe = self.config.probe
        interval = probe.interval if wish.interval is None else wish.interval
        if target and ethernet.is_group(target) and interval < GROUP_INTERVAL:
            raise RequestError("a group is asked at most ten times a second", "interval")
        count = probe.count if wish.count is None else wish.count
        timeout = wish.timeout or probe.timeout
        report_every, window = wish.report_every or 0, FLOOD_WINDOW if wish.flood else 0
        if window and (not target or ethernet.is_group(target)):
            raise RequestError("a flood needs a single target", "flood")
        if wish.hardware_timestamps and (window or interval < STAMPED_INTERVAL):
            raise RequestError("up to 10,000 frames a second are stamped, and no flood", "hardware_timestamps")
        plan = Plan(count, interval, timeout, wish.deadline or 0, report_every=report_every, window=window)
        self._check_memory(plan)
        return plan

    def _check_memory(self, plan: Plan) -> None:
        """Whether there is room for all requests that may wait for their replies."""
        if plan.most_open + sum(job.order.plan.most_open for job in self.jobs) > MOST_OPEN:
            beside = f" beside those of {len(self.jobs)} other probes" if self.jobs else ""
            waiting = f"at this pace {plan.most_open} requests may wait for their replies{beside}"
            raise RequestError(f"{waiting}: at most {MOST_OPEN} can", "timeout")


def _tags(wish: Wish) -> tuple[ethernet.Tag, ...]:
    if wish.vlan is None and wish.pcp is None:
        return ()
    if wish.hello:
        raise RequestError("the tutorial's exchange has no tags", "vlan")
    try:
        return parse_tags(wish.vlan or "0", wish.pcp or 0)
    except ValueError as error:
        raise RequestError(str(error), "vlan") from error


def _pattern(wish: Wish) -> str:
    pattern = wish.pattern or DEFAULT_PATTERN
    try:
        payload(pattern, 0)
    except ValueError as error:
        raise RequestError(str(error), "pattern") from error
    return pattern


def _check_size(size: int, link: Link, ethertype: int) -> int:
    """The largest size that the interface takes; raises RequestError where this one is none of its sizes."""
    largest = min(link.mtu + ethernet.HEADER_LENGTH, LARGEST_FRAME)
    smallest = max(ethernet.MINIMUM_FRAME, echo.overhead(ethertype))
    if not smallest <= size <= largest:
        raise RequestError(
            f"{size} octets: {link.name} takes {smallest} to {largest} (MTU {link.mtu} and the header)",
            "size",
        )
    return largest
