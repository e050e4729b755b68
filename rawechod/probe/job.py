"""One probe from its request to its summary: who is the target, then the run itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from rawechod.durations import UNITS
from rawechod.errors import InterfaceError
from rawechod.link import LOOPBACK_ONLY, Link
from rawechod.packet.filter import hello_filter, probe_filter
from rawechod.packet.hardware import Hold
from rawechod.probe.codec import Codec, EchoCodec, HelloCodec
from rawechod.probe.events import Arrived, Interval, Lost, ProbeEvent, Start, Summary, Using
from rawechod.probe.line import Channel
from rawechod.probe.pattern import DEFAULT_PATTERN, payload
from rawechod.probe.record import Subject
from rawechod.probe.runner import Runner
from rawechod.probe.session import Plan
from rawechod.reactor import Deadline, Reactor
from rawechod.wire import echo, ethernet

SEARCH_INTERVAL = 200 * UNITS["ms"]
STAMPED_INTERVAL = 100 * UNITS["us"]
"""At a higher pace reading each frame's transmit stamp would slow the probe down."""
INCOMPLETE = "the NIC's stamps of some frames were missing or made no sense: those are timed without them"
"""Of a run whose NIC is to stamp every frame."""
MOST_FOUND = 256
"""Responders to everybody's request that are named."""
SEARCH_GRACE = 300 * UNITS["ms"]
"""After the first answer to everybody, time for others to answer too."""


@dataclass(frozen=True, slots=True)
class Order:
    """A checked request for a probe."""

    link: Link
    ethertype: int
    target: bytes | None
    """None = find out who is there."""
    plan: Plan
    size: int
    hello: bool = False
    tags: tuple[ethernet.Tag, ...] = ()
    """Outermost first."""
    pattern: str = DEFAULT_PATTERN
    quiet: bool = False
    """No events but interval reports and the summary."""
    largest: int = 0
    """The largest size that the interface takes."""
    one_way: bool = False
    """Tell one-way delays too."""


@dataclass(frozen=True, slots=True)
class SeveralResponders:
    """Nobody was named and several answered: the caller has to choose."""

    macs: list[str]
    more: bool = False
    """Others answered, too."""


Outcome = Summary | SeveralResponders | InterfaceError
"""How a probe ends; the error where the interface went away between the search and the run."""


class Job:
    """A running probe. `on_event` hears its events, `on_end` is called once, with its outcome.

    `hold` is its claim on the interface's hardware time stamps: it moves with the probe, whose caller lets it go.
    """

    def __init__(
        self,
        reactor: Reactor,
        order: Order,
        hold: Hold,
        on_event: Callable[[ProbeEvent], None],
        on_end: Callable[[Outcome], None],
    ) -> None:
        """Starts at once; raises PrivilegeError or InterfaceError."""
        self.order = order
        self._reactor = reactor
        self._hold = hold
        self._on_event = on_event
        self._on_end = on_end
        self._started_at = reactor.now()
        self._stopped = False
        self._found: dict[str, None] = {}
        self._more_found = False
        """Than MOST_FOUND."""
        self._grace: Deadline | None = None
        self._ran_out: Summary | None = None
        """Of a search that had no request left while its first answer's grace lasted."""
        target = order.target or self._group()
        self._runner = self._run(target, order.target is None)
        self._tell(
            Start(
                note="; ".join(filter(None, [LOOPBACK_ONLY if order.link.loopback else "", hold.problem])),
                count=order.plan.count,
                deadline_ns=order.plan.deadline,
                largest=order.largest,
                **self._subject(target).details,
            )
        )

    @property
    def target(self) -> str:
        """The target's MAC, or the group while nobody is known."""
        return ethernet.format_mac(self.order.target or self._group())

    def stop(self) -> None:
        """Send nothing more; the summary follows when the last replies have come, or are overdue."""
        self._stopped = True
        self._runner.stop()

    def end(self, reason: str) -> None:
        """End now; the summary, which says why, follows at once."""
        if self._grace:
            self._grace.cancel()
        self._grace = None
        if self._ran_out:
            self._on_end(replace(self._ran_out, ended=reason))
        else:
            self._runner.end(reason)

    def follow(self, link: Link | None) -> None:
        """The interface of this name is this one now."""
        if not link or not link.up:
            return
        before = self.order.link
        if (link.ifindex, link.generation) != (before.ifindex, before.generation):
            self._hold.move(link.ifindex)
            try:
                self._runner.open(link.ifindex, self._hold.granted)
            except InterfaceError:
                return  # It is gone again; its next change comes here too.
        self._runner.readdress(link.mac)
        self.order = replace(self.order, link=link)

    def _group(self) -> bytes:
        return ethernet.PAE_GROUP if self.order.ethertype == ethernet.ETH_P_PAE else ethernet.BROADCAST

    def _run(self, target: bytes, searching: bool) -> Runner:
        order, session = self.order, secrets.randbits(32)
        channel = Channel(
            ifindex=order.link.ifindex,
            frame_size=order.size + ethernet.MOST_TAGS * ethernet.TAG_LENGTH,
            filter=self._filter(session),
            any_source=ethernet.is_group(target) or order.link.loopback,
            stamped=order.plan.interval >= STAMPED_INTERVAL and not order.plan.window,
            hardware=self._hold.granted,
            loopback_device=order.link.loopback,
            one_way=order.one_way,
            quiet=order.quiet and not searching,
            interval=0 if order.plan.window else order.plan.interval,
            tagged=bool(order.tags),
        )
        return Runner(
            self._reactor,
            channel,
            self._codec(target, session),
            self._subject(target),
            self._plan(target, searching),
            self._searched if searching else self._tell,
            self._finish,
        )

    def _subject(self, target: bytes) -> Subject:
        order = self.order
        return Subject(
            *(order.link.name, order.ethertype, target, order.size),
            interval=0 if order.plan.window else order.plan.interval,
            timeout=order.plan.timeout,
            tags=order.tags,
            pattern="" if order.hello else order.pattern,
            hello=order.hello,
        )

    def _filter(self, session: int) -> bytes | None:
        order = self.order
        if order.hello:
            return hello_filter(order.ethertype)
        return probe_filter(session, authenticators=order.ethertype == ethernet.ETH_P_PAE)

    def _codec(self, target: bytes, session: int) -> Codec:
        order = self.order
        header = ethernet.Header(target, order.link.mac, order.tags, order.ethertype)
        if order.hello:
            return HelloCodec(header, order.ethertype)
        return EchoCodec(header, session, payload(order.pattern, order.size - echo.overhead(order.ethertype)))

    def _plan(self, target: bytes, searching: bool) -> Plan:
        plan, spent = self.order.plan, self._reactor.now() - self._started_at
        if plan.deadline:
            plan = replace(plan, deadline=max(plan.deadline - spent, 1))
        if searching:
            plan = replace(plan, interval=max(plan.interval, SEARCH_INTERVAL), report_every=0)
        return replace(plan, group=ethernet.is_group(target))

    def _tell(self, event: ProbeEvent) -> None:
        self._on_event(event)

    def _searched(self, event: Arrived | Lost | Interval) -> None:
        """Somebody answered the request to everybody."""
        if not isinstance(event, Arrived) or event.mac in self._found or self._more_found:
            return
        now = self._reactor.now()
        if len(self._found) == MOST_FOUND and self._grace:
            self._more_found = True
            self._grace.cancel()
            self._grace = self._reactor.call_at(now, self._end_search)
            return
        self._found[event.mac] = None
        self._grace = self._grace or self._reactor.call_at(now + SEARCH_GRACE, self._end_search)

    def _end_search(self) -> None:
        ran_out, self._grace, self._ran_out = self._ran_out, None, None
        if len(self._found) > 1:
            self._runner.abandon()
            self._on_end(SeveralResponders(sorted(self._found), self._more_found))
            return
        deadline = self.order.plan.deadline
        past = deadline and self._reactor.now() - self._started_at >= deadline
        if past or self._stopped:  # There is no run: the answers to the search are what there is.
            if ran_out:
                self._on_end(ran_out)
            else:
                self._runner.end("interrupted" if self._stopped else "deadline")
            return
        self._runner.abandon()
        (name,) = self._found
        target = ethernet.parse_mac(name)
        try:
            self._runner = self._run(target, False)
        except InterfaceError as error:
            self._on_end(InterfaceError(f"{self.order.link.name}: {error}"))
            return
        self.order = replace(self.order, target=target)
        self._tell(Using(name))

    def _finish(self, summary: Summary) -> None:
        summary = self._noted(summary)
        if self._grace:
            self._ran_out = summary
        else:
            self._on_end(summary)

    def _noted(self, summary: Summary) -> Summary:
        """With what became of the hardware time stamps, where that is not what was asked for."""
        incomplete = self._hold.granted and summary.received and summary.timestamps != "hardware"
        note = INCOMPLETE if incomplete else self._hold.problem
        return replace(summary, notes=[*summary.notes, note]) if note else summary
