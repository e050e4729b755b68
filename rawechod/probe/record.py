"""Collects what happened to a probe's requests and makes the Summary of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from rawechod.probe.codec import Seen
from rawechod.probe.events import Outage, Responder, Summary
from rawechod.probe.losses import Directions, Losses
from rawechod.probe.session import MOST_RESPONDERS, Course, Match, Verdict
from rawechod.probe.statistics import Moments, RttStatistics
from rawechod.probe.timing import Timing
from rawechod.probe.vlan import format_tags
from rawechod.reasons import MalformedFrameError
from rawechod.wire import eapol, ethernet

REPLY, DUPLICATE = Verdict.REPLY, Verdict.DUPLICATE
"""Once a module, not once a reply: looking a member up takes its time."""
BEHIND = 1.05
"""A pace that is so much slower than asked for is told."""
MOST_AUTHENTICATORS = 16
"""Those of 802.1X that are told apart."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is probed, as the Summary names it."""

    interface: str
    ethertype: int
    target: bytes
    size: int
    interval: int
    """Nanoseconds; 0 = a flood, which has none."""
    timeout: int = 0
    tags: tuple[ethernet.Tag, ...] = ()
    pattern: str = ""
    hello: bool = False

    @property
    def details(self) -> dict[str, Any]:
        """What is sent, named as in Start and Summary."""
        vlan, pcp = format_tags(self.tags)
        return {
            "interface": self.interface,
            "ethertype": ethernet.format_ethertype(self.ethertype),
            "target": ethernet.format_mac(self.target),
            "size": self.size,
            "interval_ns": self.interval,
            "timeout_ns": self.timeout,
            "vlan": vlan,
            "pcp": pcp,
            "pattern": self.pattern,
            "flood": not self.interval,
            "hello": self.hello,
        }


@dataclass(slots=True)
class _Tally:
    received: int = 0
    duplicates: int = 0
    reordered: int = 0
    corrupted: int = 0
    late: int = 0
    requests_seen: int = 0
    version: int = 0

    def count(self, match: Match, seen: Seen) -> None:
        self.version = seen.version
        if match.verdict is REPLY:
            self.received += 1
        elif match.verdict is DUPLICATE:
            self.duplicates += 1
        elif match.first:
            self.late += 1
        if match.reordered:
            self.reordered += 1
        if seen.corrupted_at is not None:
            self.corrupted += 1
        elif seen.responder_seq > self.requests_seen:
            self.requests_seen = seen.responder_seq

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(_Tally)))


@dataclass(slots=True)
class Record:
    """Counts of one session."""

    subject: Subject
    started_at: int
    received: int = 0
    lost: int = 0
    strangers: int = 0
    send_errors: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    """Frames that found the probe's own receive buffer full."""
    unusable_stamps: int = 0
    kernel_stamped: int = 0
    hardware_stamped: int = 0
    _rtt: RttStatistics = field(default_factory=RttStatistics)
    _residence: Moments = field(default_factory=Moments)
    _forward: Moments = field(default_factory=Moments)
    _backward: Moments = field(default_factory=Moments)
    _losses: Losses = field(default_factory=Losses)
    _authenticators: set[bytes] = field(default_factory=set)
    _responders: dict[bytes, _Tally] = field(default_factory=dict)
    _others: _Tally = field(default_factory=_Tally)
    """Of responders beyond those that are told apart."""

    def lose(self, number: int, error: str = "") -> None:
        """A request timed out, or was refused by the kernel with an errno of this name."""
        self.lost += 1
        if error:
            self.send_errors[error] += 1
            self._losses.refused(number)

    def arrived(self, seen: Seen, match: Match, timing: Timing) -> None:
        """A reply that found its request."""
        evidence = (seen.responder_seq, seen.window, seen.dropped) if seen.corrupted_at is None else None
        self._losses.heard(match.number, match.first, evidence)
        tally = self._responders.get(seen.src) or self._new_tally(seen.src)
        tally.count(match, seen)
        self.unusable_stamps += timing.unusable
        if match.first and match.verdict is REPLY:
            self.received += 1
            self._rtt.record(match.number, timing.rtt)
            self.kernel_stamped += timing.kernel_stamped
            self.hardware_stamped += timing.hardware_stamped
            if timing.residence:
                self._residence.record(timing.residence)
            if timing.forward is not None and timing.backward is not None:
                self._forward.record(timing.forward)
                self._backward.record(timing.backward)

    def misnumbered(self, number: int, src: bytes) -> None:
        """A reply whose number is not the one that was sent."""
        self._losses.unsent(number)
        (self._responders.get(src) or self._new_tally(src)).corrupted += 1

    def foreign(self, frame: bytes) -> None:
        """A frame that is no reply: perhaps a real authenticator's."""
        try:
            header = ethernet.decode_header(frame)
        except MalformedFrameError:
            return
        is_eap = header.ethertype == ethernet.ETH_P_PAE and eapol.is_eap_request(frame[header.length :])
        if is_eap and len(self._authenticators) < MOST_AUTHENTICATORS:
            self._authenticators.add(header.src)

    def _new_tally(self, mac: bytes) -> _Tally:
        if len(self._responders) >= MOST_RESPONDERS:
            return self._others
        tally = self._responders[mac] = _Tally()
        return tally

    def counts(self) -> dict[str, Any]:
        """Those of replies and losses that only grow, named as in the summary."""
        total = sum(self._responders.values(), self._others)
        return {
            "received": self.received,
            "lost": self.lost,
            "late": total.late,
            "duplicates": total.duplicates,
            "reordered": total.reordered,
            "corrupted": total.corrupted,
        }

    def summary(self, course: Course) -> Summary:
        """The figures of a session that went like this."""
        known, split = self.received + self.lost, self._directions(course)
        return Summary(
            sent=course.sent,
            loss_ratio=round(self.lost / known, 6) if known else None,
            outstanding=course.outstanding,
            strangers=self.strangers,
            duration_s=round((course.done_at - self.started_at) / 1e9, 6),
            achieved_interval_ns=course.achieved_interval,
            ended=course.ended,
            unusable_stamps=self.unusable_stamps,
            send_errors=dict(self.send_errors),
            responders=[self._responder(mac) for mac in sorted(self._responders)],
            notes=self._notes(course),
            authenticators=[ethernet.format_mac(mac) for mac in sorted(self._authenticators)],
            **(self.counts() | self._times() | _ways(split) | _outages(course)),
            **self.subject.details,
        )

    def _directions(self, course: Course) -> Directions:
        """Of the lost requests that no late reply came to."""
        late, refused = self.counts()["late"], self.send_errors.total()
        if ethernet.is_group(self.subject.target):
            return Directions(0, 0, 0, refused, self.lost - late - refused)
        return self._losses.split(self.lost, late, course.settled + 1, self.dropped)

    def _times(self) -> dict[str, Any]:
        return {
            "timestamps": self._timestamps(),
            "rtt_ns": self._rtt.rtt(),
            "ipdv_ns": self._rtt.ipdv(),
            "pdv_ns": self._rtt.pdv(),
            "residence_ns": self._residence.values(),
            "forward_ns": self._forward.values(),
            "backward_ns": self._backward.values(),
        }

    def _timestamps(self) -> str:
        if not (self.kernel_stamped or self.hardware_stamped):
            return "user"
        if self.hardware_stamped == self.received:
            return "hardware"
        return "kernel" if self.kernel_stamped == self.received else "mixed"

    def _responder(self, mac: bytes) -> Responder:
        tally = self._responders[mac]
        return Responder(
            ethernet.format_mac(mac),
            tally.received,
            tally.duplicates,
            tally.reordered,
            tally.corrupted,
            tally.requests_seen,
            tally.version,
        )

    def _notes(self, course: Course) -> list[str]:
        notes = _pace_notes(course, self.subject.interval)
        if self._forward.count:
            notes.append(
                "one-way delays include the difference between the two clocks: trust them behind PTP only"
            )
        if self.subject.target == ethernet.PAE_GROUP and not self.received:
            notes.append(
                "the PAE group address ends at the first bridge, Linux's included: a responder behind one must "
                "be probed by its MAC"
            )
        if self._authenticators:
            notes.append(
                "a real 802.1X authenticator is on this port: it sent EAP requests, which were left alone"
            )
        return notes


def _ways(split: Directions) -> dict[str, int]:
    """Named as in the summary."""
    return {f"lost_{way}": count for way, count in split._asdict().items()}


def _outages(course: Course) -> dict[str, Any]:
    """Named as in the summary."""
    longest = max(course.outages, default=None)
    return {
        "longest_loss_run": longest.requests if longest else 0,
        "outage_s": round(longest.duration / 1e9, 6) if longest else 0.0,
        "outages": [
            Outage(span.started_at, span.started_at + span.duration, span.requests) for span in course.outages
        ],
    }


def _pace_notes(course: Course, asked: int) -> list[str]:
    """Why requests left more slowly than asked for."""
    achieved = course.achieved_interval
    if course.limited_to:
        return [
            f"the responder answers about {1_000_000_000 // course.limited_to:,} requests a second and no more "
            "(rate_limit, peer_rate_limit): the flood slowed down to that"
        ]
    if asked and achieved and achieved > asked * BEHIND:
        return [
            f"this host did not keep the pace: requests left every {achieved / 1e6:.4g} ms on average, not every "
            f"{asked / 1e6:.4g} ms"
        ]
    return []
