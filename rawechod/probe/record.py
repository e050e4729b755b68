"""Collects what happened to a probe's requests and makes the Summary of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from rawechod.probe.codec import Seen
from rawechod.probe.events import Responder, Summary
from rawechod.probe.losses import Directions, Losses
from rawechod.probe.session import MOST_RESPONDERS, Match, Verdict
from rawechod.probe.statistics import Moments, RttStatistics
from rawechod.probe.timing import Timing
from rawechod.probe.vlan import format_tags
from rawechod.reasons import MalformedFrameError
from rawechod.wire import eapol, ethernet

REPLY, DUPLICATE = Verdict.REPLY, Verdict.DUPLICATE
"""Once a module, not once a reply: looking a member up takes its time."""
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
    def target_name(self) -> str:
        """The MAC's text."""
        return ethernet.format_mac(self.target)

    @property
    def details(self) -> dict[str, Any]:
        """What is sent, named as in Start and Summary."""
        vlan, pcp = format_tags(self.tags)
        return {
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
        else:
            self.late += 1
        if match.reordered:
            self.reordered += 1
        if seen.corrupted_at is not None:
            self.corrupted += 1
        self.requests_seen = max(self.requests_seen, seen.responder_seq)

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
    window: RttStatistics | None = None
    """Where a Reporter wants the round-trip times too."""
    kernel_stamped: int = 0
    hardware_stamped: int = 0
    _rtt: RttStatistics = field(default_factory=RttStatistics)
    _residence: Moments = field(default_factory=Moments)
    _forward: Moments = field(default_factory=Moments)
    _backward: Moments = field(default_factory=Moments)
    _losses: Losses = field(default_factory=Losses)
    _longest_run: int = 0
    _run: int = 0
    _last_lost: int = 0
    _authenticators: set[bytes] = field(default_factory=set)
    _responders: dict[bytes, _Tally] = field(default_factory=dict)
    _others: _Tally = field(default_factory=_Tally)
    """Of responders beyond those that are told apart."""

    def lose(self, number: int, error: str = "") -> None:
        """A request timed out, or was refused by the kernel with an errno of this name."""
        self.lost += 1
        self._run = self._run + 1 if number == self._last_lost + 1 else 1
        self._last_lost = number
        self._longest_run = max(self._longest_run, self._run)
        if error:
            self.send_errors[error] += 1
            self._losses.refused(number)

    def arrived(self, seen: Seen, match: Match, timing: Timing) -> None:
        """A reply that found its request."""
        first = match.first or match.verdict is Verdict.LATE
        evidence = (seen.responder_seq, seen.window, seen.dropped) if seen.corrupted_at is None else None
        self._losses.heard(match.number, first, evidence)
        tally = self._responders.get(seen.src) or self._new_tally(seen.src)
        tally.count(match, seen)
        if match.first:
            self.received += 1
            self._rtt.record(match.number, timing.rtt)
            self.kernel_stamped += timing.kernel_stamped
            self.hardware_stamped += timing.hardware_stamped
            if timing.residence:
                self._residence.record(timing.residence)
            if timing.forward is not None and timing.backward is not None:
                self._forward.record(timing.forward)
                self._backward.record(timing.backward)
            if self.window:
                self.window.record(match.number, timing.rtt)

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

    def summary(self, sent: int, outstanding: int, now: int) -> Summary:
        """The figures as of `now` (monotonic, nanoseconds)."""
        subject, known = self.subject, self.received + self.lost
        return Summary(
            interface=subject.interface,
            ethertype=ethernet.format_ethertype(subject.ethertype),
            target=subject.target_name,
            size=subject.size,
            sent=sent,
            loss_ratio=round(self.lost / known, 6) if known else None,
            outstanding=outstanding,
            strangers=self.strangers,
            duration_s=round((now - self.started_at) / 1e9, 6),
            send_errors=dict(self.send_errors),
            responders=[self._responder(mac) for mac in sorted(self._responders)],
            notes=self._notes(sent),
            authenticators=[ethernet.format_mac(mac) for mac in sorted(self._authenticators)],
            **(self.counts() | self._times() | self._loss_details(sent, now) | subject.details),
        )

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

    def _loss_details(self, sent: int, now: int) -> dict[str, Any]:
        group = ethernet.is_group(self.subject.target)
        interval = self.subject.interval or (now - self.started_at) / max(sent, 1)
        late, refused = min(self.counts()["late"], self.lost), self.send_errors.total()
        split = Directions(0, 0, 0, refused, max(self.lost - late - refused, 0))
        if not group:
            split = self._losses.split(self.lost, late, sent + 1, 0)
        return {
            "lost_forward": split.forward,
            "lost_backward": split.backward,
            "lost_responder": split.responder,
            "lost_here": split.here,
            "lost_undetermined": split.undetermined,
            "achieved_interval_ns": round((now - self.started_at) / sent) if sent > 1 else None,
            "longest_loss_run": self._longest_run,
            "outage_s": round(self._longest_run * interval / 1e9, 6),
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

    def _notes(self, sent: int) -> list[str]:
        notes = []
        arrived = max((tally.requests_seen for tally in self._responders.values()), default=0)
        # A responder that says it got more than there were is no witness.
        believable = self.received < arrived <= sent
        if not ethernet.is_group(self.subject.target) and self.lost and believable:
            notes.append(
                f"{arrived} requests reached the responder, {self.received} answers came back: lost on the way "
                "back, or the pace is above the responder's limit (rate_limit, peer_rate_limit)"
            )
        if self._forward.count:
            notes.append("one-way delays are as wrong as the two clocks are apart: trust them behind PTP only")
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
