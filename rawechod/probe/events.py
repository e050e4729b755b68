"""What a probe tells while it runs; the last event is the Summary. `event` names the kind on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from rawechod.probe.statistics import MomentValues, PdvValues, RttValues


@dataclass(frozen=True, slots=True)
class Start:
    """The probe begins."""

    event: ClassVar[str] = "start"
    interface: str
    ethertype: str
    target: str
    """A MAC, or `group` while nobody is known."""
    size: int
    note: str = ""
    count: int = 0
    """Requests, 0 = until stopped."""
    interval_ns: int = 0
    timeout_ns: int = 0
    deadline_ns: int = 0
    """0 = none."""
    largest: int = 0
    """The largest size that the interface takes."""
    vlan: str | None = None
    """Of its tags, `100` or `200.100`, 0 in a priority tag; None = no tag."""
    pcp: int | None = None
    """Priority of the tag; None = no tag."""
    pattern: str = ""
    """What fills the payload; empty in the tutorial's exchange."""
    flood: bool = False
    hello: bool = False


@dataclass(frozen=True, slots=True)
class Using:
    """One responder answered the request to everybody; it is the target from now on."""

    event: ClassVar[str] = "using"
    mac: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A reply: the first of its responder (`reply`), a further one (`duplicate`), or too late (`late`)."""

    event: str
    seq: int
    mac: str
    rtt_ns: int
    residence_ns: int
    """Time inside the responder, already subtracted from rtt_ns; 0 = not stamped."""
    reordered: bool = False
    corrupted: bool = False
    sent_at_ns: int = 0
    """When the request left, nanoseconds since the epoch; 0 = forgotten."""
    kernel_stamped: bool = False
    """rtt_ns is between the kernel's stamps, not around our system calls."""
    hardware_stamped: bool = False
    """rtt_ns is between the NIC's stamps; kernel_stamped is false then."""
    corrupted_at: int | None = None
    """The first octet of the frame that differs from what was expected."""
    altered: str = ""
    """The fields that differ, with commas; the contract has their names."""
    forward_ns: int | None = None
    """One-way delays, where they were asked for; the difference between the two clocks is in them."""
    backward_ns: int | None = None
    text: str | None = None
    """What the tutorial's server said (`HELLO`); None in every other exchange."""


@dataclass(frozen=True, slots=True)
class Lost:
    """No reply within the timeout, or none possible: `error` has the errno's name where the send failed."""

    event: ClassVar[str] = "lost"
    seq: int
    error: str = ""
    sent_at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """What became of the requests that were sent in it; replies that are no first ones count when they come.

    Told once the fate of all of its requests is known.
    """

    event: ClassVar[str] = "interval"
    start_s: float
    """Since the first request, monotonic."""
    end_s: float
    ends_at_ns: int
    """Since the epoch, by the clock of the system."""
    sent: int
    received: int
    lost: int
    late: int
    duplicates: int
    reordered: int
    corrupted: int
    rtt_ns: RttValues | None


@dataclass(frozen=True, slots=True)
class Responder:
    """What one responder did."""

    mac: str
    received: int
    duplicates: int
    reordered: int
    corrupted: int
    requests_seen: int
    """Its last `responder_seq`: requests that reached it, 0 = it does not count."""
    version: int = 0
    """Of the Echo PDU that it speaks; 0 = the tutorial's exchange."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A run of consecutive requests that were lost, late, or refused by the kernel."""

    start_ns: int
    """When the first of them left, nanoseconds since the epoch."""
    end_ns: int
    """When the next answered one left, or, where there is none, the end of the probe."""
    requests: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a probe.

    sent = received + lost + outstanding, and lost = lost_forward + lost_backward + lost_responder + lost_here
    + late + lost_undetermined. With a group target, received counts requests that anybody answered.
    """

    event: ClassVar[str] = "summary"
    interface: str
    ethertype: str
    target: str
    size: int
    sent: int
    received: int
    lost: int
    loss_ratio: float | None
    """lost / (received + lost); None where both are 0: then nothing is known."""
    outstanding: int
    """Requests whose timeout had not passed when the probe was ended at once; not in loss_ratio."""
    late: int
    """Lost requests whose first reply came after the timeout: they have no direction."""
    duplicates: int
    reordered: int
    corrupted: int
    strangers: int
    """Replies from other MACs than the target's, not counted as received."""
    duration_s: float
    timestamps: str
    """`hardware` or `kernel` where all round trips are between its stamps, `user` where none is, else `mixed`."""
    rtt_ns: RttValues | None
    ipdv_ns: MomentValues | None
    pdv_ns: PdvValues | None
    residence_ns: MomentValues | None
    """Time inside the responder, where it stamps."""
    forward_ns: MomentValues | None
    backward_ns: MomentValues | None
    lost_forward: int = 0
    """By the path there, as the responder proves (a single target's only)."""
    lost_backward: int = 0
    """By the path back, or not answered by a limited responder."""
    lost_responder: int = 0
    """By the responder's full receive buffer."""
    lost_here: int = 0
    """Refused by our kernel, or by our own full receive buffer."""
    lost_undetermined: int = 0
    """Nobody can say where."""
    longest_loss_run: int = 0
    """Most requests lost in a row."""
    outage_s: float = 0.0
    """How long the outage with the most requests lasted."""
    outages: list[Outage] = field(default_factory=list)
    """Those with the most requests, in order of time."""
    interval_ns: int = 0
    """Asked for; 0 = a flood."""
    achieved_interval_ns: int | None = None
    """Mean time between requests as they were sent; None where there were fewer than two."""
    timeout_ns: int = 0
    ended: str = "complete"
    """`complete`, `deadline`, `interrupted` (by its caller) or `daemon` (which ended)."""
    vlan: str | None = None
    pcp: int | None = None
    pattern: str = ""
    flood: bool = False
    hello: bool = False
    unusable_stamps: int = 0
    """Replies whose responder stamped a time that can't be: left out of the one-way delays."""
    send_errors: dict[str, int] = field(default_factory=dict)
    responders: list[Responder] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    authenticators: list[str] = field(default_factory=list)
    """Who sent EAP requests meanwhile; heard under ETH_P_PAE alone."""
    untold: int = 0
    """Replies and losses that were not told as events."""


ProbeEvent = Start | Using | Arrived | Lost | Interval | Summary
