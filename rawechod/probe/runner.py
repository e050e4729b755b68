"""Drives one session on one socket."""

from __future__ import annotations

import errno
from collections.abc import Callable

from rawechod.packet import timestamps
from rawechod.packet.batch import BATCH, Received
from rawechod.probe.codec import Codec, Seen, compare_t1
from rawechod.probe.early import PATIENCE, EarlyReplies, Reply
from rawechod.probe.events import Arrived, Interval, Lost, Summary
from rawechod.probe.exchange import open_line
from rawechod.probe.line import Channel, Line
from rawechod.probe.record import REPLY, Record, Subject
from rawechod.probe.reporter import Reporter
from rawechod.probe.session import Match, Plan, Session
from rawechod.probe.timing import Timing, one_way, timing
from rawechod.reactor import ERROR, Deadline, Reactor
from rawechod.wire import ethernet

ROUNDS = 4
"""Batches a wake-up, so that a storm of replies leaves the loop time for others."""
MOST_UNSTAMPED = 65_536
"""Requests whose transmit stamps are waited for."""
_STAMP_MASK = 0xFFFFFFFF


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
        self._deadline: Deadline | None = reactor.call_at(now, self._wake)
        self._line: Line | None = None
        self._read_until = now
        """All that the socket got before has been read; what is still missing then has not come in time."""
        self._stamp_numbers: dict[int, int] = {}
        """Which request the kernel's transmit stamp of this number belongs to."""
        self._next_stamp = 0
        self._early = EarlyReplies()
        self.open(channel.ifindex, channel.hardware)

    def open(self, ifindex: int, hardware: bool) -> None:
        """Use the interface with this index from now on; raises, the old socket stays, where it is gone again.

        `hardware`: the NIC stamps every frame, read its stamps too.
        """
        fresh = open_line(ifindex, self._channel, self._codec)
        self._close_line()
        self._line, self._hardware = fresh, hardware
        self._number_stamps()
        self._reactor.register(fresh.socket.fileno(), self._readable)

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on: the interface's own has changed."""
        if self._line:
            self._line.readdress(mac)

    def stop(self) -> None:
        """Send nothing more; the summary follows when the last replies have come, or are overdue."""
        self._session.stop(self._reactor.now())
        self._wake()

    def end(self, reason: str) -> None:
        """End now, with a summary that says why."""
        self._read()
        self._session.end(reason)
        self._take_early(self._reactor.now() + PATIENCE)
        self._advance()

    def abandon(self) -> None:
        """Give everything back, without a summary."""
        if self._reporter:
            self._reporter.cancel()
        if self._deadline:
            self._deadline.cancel()
        self._deadline = None
        self._close_line()

    def _close_line(self) -> None:
        if self._line:
            self._reactor.unregister(self._line.socket.fileno())
            self._record.dropped += self._line.dropped()
            self._line.close()
        self._line = None

    def _wake(self) -> None:
        """A deadline has come."""
        if self._session.overdue(self._reactor.now()):
            self._read()
        self._advance()

    def _advance(self) -> None:
        """Tell what is lost, send what is due, and wait for the next deadline or end."""
        if not self._line:
            return
        for number in self._session.timed_out(self._read_until):
            self._lose(number, self._session.t1(number))
        self._take_early(self._reactor.now())
        self._send(self._session.due(self._reactor.now()))
        self._session.settle()
        if self._reporter:
            self._reporter.tell()
        now = self._reactor.now()
        if self._session.finished(now) and not self._early:
            self._end(now)
            return
        when = self._next_deadline(now)
        if self._deadline:
            if self._deadline.pending and self._deadline.when == when:
                return  # Replies must not leave a cancelled deadline each.
            self._deadline.cancel()
        self._deadline = None if when is None else self._reactor.call_at(when, self._wake)

    def _next_deadline(self, now: int) -> int | None:
        times = [self._early.deadline]
        if not self._session.finished(now):
            times.append(self._session.next_deadline(now))
        return min((when for when in times if when is not None), default=None)

    def _end(self, now: int) -> None:
        course = self._session.course(now)
        if self._reporter:
            self._reporter.close(course.done_at)
        self.abandon()
        summary = self._record.summary(course)
        self._session.forget()  # Whoever calls us holds us, and we hold them: that is not cleared up soon.
        self._on_end(summary)

    def _send(self, numbers: range) -> None:
        if not numbers or not self._line:
            return
        before = self._reactor.now()
        t1, refused = self._line.send(numbers)
        self._session.left(before, self._reactor.now(), t1, refused)
        for index, error in refused.items():
            self._lose(numbers[index], t1[index], errno.errorcode.get(error, str(error)))
        if refused:
            self._number_stamps()  # Whether the kernel numbered those that it refused is not known.
        elif self._channel.stamped:
            for number in numbers:
                self._stamp_numbers[self._next_stamp] = number
                # A driver that gives no stamps must not make this grow.
                self._stamp_numbers.pop(self._next_stamp - MOST_UNSTAMPED & _STAMP_MASK, None)
                self._next_stamp = self._next_stamp + 1 & _STAMP_MASK

    def _number_stamps(self) -> None:
        self._stamp_numbers.clear()
        self._next_stamp = 0
        if self._channel.stamped and self._line:
            timestamps.number_from_zero(self._line.socket, self._hardware)

    def _read_stamps(self) -> None:
        """Empty the error queue, whether its stamps are wanted or not."""
        if self._line:
            for told in timestamps.transmitted(self._line.socket):
                number = self._stamp_numbers.get(told.frame)
                if number is None:
                    continue
                self._session.stamped(number, told.kernel, told.hardware)
                if told.hardware or not self._hardware:
                    del self._stamp_numbers[told.frame]  # The NIC's comes last.

    def _lose(self, number: int, t1: int, error: str = "") -> None:
        self._record.lose(number, error)
        if self._reporter:
            self._reporter.lost(number)
        if not self._channel.quiet:
            self._on_event(Lost(number & 0xFFFFFFFF, error, t1))

    def _readable(self, events: int) -> None:
        if self._channel.stamped or events & ERROR:
            self._read_stamps()
        self._read()
        self._advance()

    def _read(self) -> None:
        """Read what has arrived, a bounded part of it; the rest leaves the socket readable."""
        for _ in range(ROUNDS):
            began = self._reactor.now()
            try:
                heard = self._line.hear() if self._line else []
            except OSError:
                heard = []  # The interface went down or away, told once; the requests will be lost.
            now = self._reactor.now()
            for seen, received in heard:
                self._take(seen, received, now)
            if len(heard) < BATCH:
                self._read_until = began
                return

    def _is_possible(self, src: bytes) -> bool:
        """Whether a reply may come from this MAC."""
        if not self._channel.any_source:
            return src == self._record.subject.target
        return not ethernet.is_group(src) and (src != ethernet.ZERO or self._channel.loopback_device)

    def _take(self, seen: Seen | None, received: Received, now: int) -> None:
        if seen is None:
            self._record.foreign(received.frame)
            return
        if not self._is_possible(seen.src):
            self._record.strangers += 1
            return
        match = self._session.arrived(seen.seq, seen.src, now, received.received_at)
        if match is None:
            self._record.misnumbered(self._session.nearest(seen.seq), seen.src)
            return
        if match.t1 != seen.t1 and match.t1:
            seen = compare_t1(seen, match.t1)
        if self._session.floods and seen.window and seen.corrupted_at is None:
            self._session.left_unanswered(match.number, seen.window, now)
        if match.overdue:
            self._lose(match.number, match.t1)
        if self._hardware:
            self._early.put(Reply(seen, match, received.received_at, received.hardware_at, now))
        else:
            self._account(seen, match, received.received_at)

    def _take_early(self, now: int) -> None:
        """Those whose requests' stamps by the NIC are there, or have been waited for long enough."""
        for reply in self._early.ready(now, self._session.hardware_stamp):
            self._account(reply.seen, reply.match, reply.received_at, reply.hardware_at)

    def _account(self, seen: Seen, match: Match, received_at: int, hardware_at: int = 0) -> None:
        times = timing(seen, match, received_at, hardware_at)
        if self._channel.one_way:
            times = one_way(times, seen, match, received_at)
        self._record.arrived(seen, match, times)
        if self._reporter and match.first and match.verdict is REPLY:
            self._reporter.received(match.number, times.rtt)
        if not self._channel.quiet:
            self._on_event(self._arrived(seen, match, times))

    def _arrived(self, seen: Seen, match: Match, times: Timing) -> Arrived:
        return Arrived(
            event=match.verdict.value,
            seq=match.number & 0xFFFFFFFF,
            mac=ethernet.format_mac(seen.src),
            rtt_ns=times.rtt,
            residence_ns=times.residence,
            reordered=match.reordered,
            corrupted=seen.corrupted_at is not None,
            sent_at_ns=match.t1,
            kernel_stamped=times.kernel_stamped,
            hardware_stamped=times.hardware_stamped,
            corrupted_at=seen.corrupted_at,
            altered=seen.altered,
            forward_ns=times.forward,
            backward_ns=times.backward,
            text=seen.text,
        )
