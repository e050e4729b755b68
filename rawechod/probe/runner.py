"""Drives one session on one socket."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from rawechod.packet.batch import BATCH, BatchReceiver, BatchSender, Received
from rawechod.packet.socket import Options, open_socket
from rawechod.probe.codec import Codec, Seen
from rawechod.probe.events import Arrived, Interval, Lost, Summary
from rawechod.probe.record import Record, Subject
from rawechod.probe.reporter import Reporter
from rawechod.probe.session import Match, Plan, Session
from rawechod.reactor import Deadline, Reactor
from rawechod.wire import ethernet

ROUNDS = 4
"""Batches a wake-up, so that a storm of replies leaves the loop time for others."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where and how frames go out and come back."""

    ifindex: int
    frame_size: int
    filter: bytes | None
    any_source: bool
    """Replies from other MACs than the target's are taken too."""


class Runner:
    """Runs a session to its end; `on_event` hears what happens, `on_end` the summary."""

    def __init__(
        self,
        reactor: Reactor,
        channel: Channel,
        codec: Codec,
        subject: Subject,
        plan: Plan,
        on_event: Callable[[Arrived | Lost | Interval], None],
        on_end: Callable[[Summary], None],
    ) -> None:
        """Opens the socket and sends the first request from the loop; raises PrivilegeError, InterfaceError."""
        self._reactor = reactor
        self._channel = channel
        self._codec = codec
        self._on_event = on_event
        self._on_end = on_end
        now = reactor.now()
        self._session = Session(plan, now)
        self._record = Record(subject, now)
        self._reporter: Reporter | None = None
        if plan.report_every:
            self._reporter = Reporter(reactor, plan.report_every, self._record, self._session, on_event)
        self._deadline: Deadline | None = reactor.call_at(now, self._advance)
        self._socket: socket.socket | None = None
        self.open(channel.ifindex)

    def open(self, ifindex: int) -> None:
        """Use the interface with this index from now on; raises, the old socket stays, where it is gone again."""
        options = Options(filter=self._channel.filter, join_pae_group=False)
        fresh = open_socket(ifindex, options)
        self._close_socket()
        self._socket = fresh
        self._receiver = BatchReceiver(self._socket, self._channel.frame_size)
        self._sender = BatchSender(self._socket)
        self._reactor.register(self._socket.fileno(), self._readable)

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on: the interface's own has changed."""
        self._codec.readdress(mac)

    def stop(self) -> None:
        """End now, with the summary."""
        self._session.stop()
        self._advance()

    def abandon(self) -> None:
        """Give everything back, without a summary."""
        if self._reporter:
            self._reporter.cancel()
        if self._deadline:
            self._deadline.cancel()
        self._deadline = None
        self._close_socket()

    def _close_socket(self) -> None:
        if self._socket:
            self._reactor.unregister(self._socket.fileno())
            self._socket.close()
        self._socket = None

    def _advance(self) -> None:
        """Send what is due, tell what is lost, and wait for the next deadline or end."""
        if not self._socket:
            return
        self._tell_lost(self._reactor.now())
        self._send(self._session.due(self._reactor.now()))
        now = self._reactor.now()
        if self._session.finished(now):
            self._end(now)
            return
        if self._deadline:
            self._deadline.cancel()
        when = self._session.next_deadline(now)
        self._deadline = None if when is None else self._reactor.call_at(when, self._advance)

    def _end(self, now: int) -> None:
        if self._reporter:
            self._reporter.close()
        self.abandon()
        self._on_end(self._record.summary(self._session.sent, self._session.outstanding, now))

    def _send(self, numbers: list[int]) -> None:
        if not numbers:
            return
        wall = time.time_ns()
        frames = [self._codec.request(number & 0xFFFFFFFF, wall) for number in numbers]
        sent_at = self._reactor.now()
        refused = dict(self._sender.send(frames))
        for index, number in enumerate(numbers):
            if index in refused:
                self._lose(number, errno.errorcode.get(refused[index], str(refused[index])))
            else:
                self._session.sent_at(number, sent_at)

    def _tell_lost(self, now: int) -> None:
        for number in self._session.timed_out(now):
            self._lose(number, "")

    def _lose(self, number: int, error: str) -> None:
        self._record.lost += 1
        if error:
            self._record.send_errors[error] += 1
        self._on_event(Lost(number, error))

    def _readable(self, _events: int) -> None:
        for _ in range(ROUNDS):
            try:
                batch = self._receiver.receive()
            except OSError:
                batch = []  # The interface went down or away, told once; the requests will be lost.
            now = self._reactor.now()
            if batch:
                self._tell_lost(now)
            for received in batch:
                self._take(received, now)
            if len(batch) < BATCH:
                break
        self._advance()

    def _take(self, received: Received, now: int) -> None:
        seen = self._codec.reply(received.frame, received.length)
        if seen is None:
            return
        if not self._channel.any_source and seen.src != self._record.subject.target:
            self._record.strangers += 1
            return
        match = self._session.arrived(seen.seq, seen.src, now)
        if match is None:
            self._record.strangers += 1
            return
        self._tell_arrived(seen, match)

    def _tell_arrived(self, seen: Seen, match: Match) -> None:
        # A residence longer than the round trip is a stepped or a broken clock: not subtracted.
        residence = seen.residence if seen.residence <= match.rtt else 0
        rtt = match.rtt - residence
        self._record.arrived(seen.src, match, rtt, seen.corrupted, seen.responder_seq)
        mac = ethernet.format_mac(seen.src)
        number = match.number & 0xFFFFFFFF
        self._on_event(Arrived(match.verdict.value, number, mac, rtt, residence, match.reordered, seen.corrupted))
