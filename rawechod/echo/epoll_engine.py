"""AF_PACKET in batches -> reflector -> AF_PACKET.

Where the compiled part is there it answers the valid requests, and the reflector only sees the rest.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from rawechod.echo import native
from rawechod.echo.accelerator import Accelerator, Tables, Traced
from rawechod.echo.breaker import StormBreaker
from rawechod.echo.counters import Counters
from rawechod.echo.limiter import SECOND
from rawechod.echo.peers import Census, Remembering
from rawechod.echo.reflector import Arrival, Drop, Instant, Policy, Reflecting, Reply
from rawechod.echo.tracing import Sink
from rawechod.errors import InterfaceError
from rawechod.packet.batch import BATCH, PACKET_OTHERHOST, PACKET_OUTGOING, BatchReceiver, BatchSender, Received
from rawechod.packet.socket import NO_RING, Options, Ring, kernel_drops, memory, open_socket, ring_for
from rawechod.reactor import Reactor
from rawechod.reasons import DropReason
from rawechod.wire import ethernet

NAME = "epoll"
ROUNDS = 4
"""Batches a wake-up, so that control and probes are not starved."""
DRAIN = 1024
"""Batches at most where all that has arrived is to be served."""
OUR_FAULTS = frozenset({errno.EBADF, errno.EFAULT, errno.EINVAL, errno.EMSGSIZE, errno.ENOTSOCK})
"""Errors of recvmmsg that no interface causes: going on would be a busy loop."""


DROPPED_MASK = 0xFFFF
PACE = 100_000
"""Frames a second that a listener is to keep up with, where its limit is not lower."""
BRIDGED = 80_000_000
"""So long may the daemon be kept from reading, nanoseconds: the ring has room for what comes meanwhile."""
FEWEST_FRAMES = 1024
RING_OCTETS = 16 << 20
"""Of a listener's ring at most, and of all listeners' together one part in RING_SHARE of the machine's memory."""
RING_SHARE = 16
OUTCOMES: tuple[Reply | Drop | None, ...] = (
    None,
    Reply(b""),
    Reply(b""),
    *(Drop(reason) for reason in native.VERDICTS if reason),
)
"""What a verdict of C's says to a trace, which does not look at replies; None: the reflector knows."""


class Duty(NamedTuple):
    """What an engine answers, and how; made anew with the policy."""

    policy: Policy
    reflector: Reflecting
    limits: tuple[int, int] | None
    """Frames a second, in all and a peer, for the parts in C; None where they do not know this mode."""
    breaker: StormBreaker | None = None
    """Loopback mode's."""
    spin: int = 0
    """How long not to sleep after a frame, nanoseconds."""
    xdp: str = "generic"
    """The mode that is wanted for the kernel engine's program."""
    tables: Tables | None = None
    """Where C remembers; None where it is not there, or does not know this mode."""
    listeners: int = 1
    """How many share the memory for receive rings."""

    @property
    def pace(self) -> int:
        """The listener's limit, frames a second, 0 = none."""
        return self.limits[0] if self.limits else 0

    @property
    def memory(self) -> Remembering:
        """Who remembers while the epoll engine answers."""
        return self.tables or self.reflector


class EpollEngine:
    """Answers on one interface with one socket, from the reactor."""

    xdp: str | None = None
    note = ""

    def __init__(self, reactor: Reactor, ifindex: int, options: Options, duty: Duty, counters: Counters) -> None:
        """Raises PrivilegeError or InterfaceError."""
        self._reactor = reactor
        self._counters = counters
        self._duty = duty
        self._place = (ifindex, options)
        self._receiver: BatchReceiver | None = None
        self._accelerator: Accelerator | None = None
        self._sink: Sink | None = None
        self._socket = self._use(self._open())

    @property
    def name(self) -> str:
        """What answers, for people."""
        return NAME

    def adopt(self, duty: Duty) -> None:
        """Follow a change of the interface that needs no other socket."""
        resized = duty.policy.mtu != self._duty.policy.mtu
        self._duty = duty
        if resized:
            self._reopen()
        else:
            self._settle()

    def flush(self) -> None:
        """Bring the counters up to date."""
        if self._accelerator:
            self._accelerator.flush(self._counters)
        else:
            self._counters.kernel_drops += kernel_drops(self._socket)

    def census(self) -> Census:
        """What was counted of each peer by the engine itself: nothing, that is the tables' or the reflector's."""
        return Census({})

    def send(self, frame: bytes) -> None:
        """Send a frame of our own; one that the kernel refuses is lost."""
        self._sender.send([frame])

    def survey(self, breaker: StormBreaker) -> None:
        """Bring the storm breaker up to date; the reflector does that itself."""
        if self._duty.tables:
            self._duty.tables.survey(breaker)

    def drain(self) -> None:
        """Serve all that has arrived up to now."""
        for _ in range(DRAIN):
            try:
                if self._serve() < BATCH:
                    return
            except OSError:
                return

    def trace(self, sink: Sink | None) -> None:
        """Tell of each frame from now on; None = no more. It changes nothing else."""
        self._sink = sink
        if self._accelerator:
            self._accelerator.trace(sink is not None)

    def settle_trace(self) -> None:
        """Tell of whatever has arrived up to now."""
        self.drain()

    def close(self) -> None:
        """Stop answering."""
        self._reactor.unregister(self._socket.fileno())
        self.flush()
        if self._accelerator:
            self._accelerator.close()
        self._accelerator = self._receiver = None
        self._socket.close()

    def _reopen(self) -> None:
        """Have larger or smaller buffers, and a socket to go with them."""
        try:
            fresh = self._open(self.drain)
        except InterfaceError:
            return  # It is gone again; rtnetlink is about to tell.
        self.close()
        self._socket = self._use(fresh)

    def _open(self, last: Callable[[], None] = lambda: None) -> socket.socket:
        """A socket, with a ring where the part in C will read it; calls `last` before it hears anything.

        Raises InterfaceError.
        """
        ifindex, options = self._place
        ring = self._ring if self._duty.tables else NO_RING
        return open_socket(ifindex, replace(options, ring=ring), last)

    @property
    def _ring(self) -> Ring:
        wanted = max(min(self._duty.pace or PACE, PACE) * BRIDGED // SECOND, FEWEST_FRAMES)
        return ring_for(self._frame_size, wanted, min(RING_OCTETS, memory() // RING_SHARE // self._duty.listeners))

    @property
    def _frame_size(self) -> int:
        """Octets of the longest frame."""
        return self._duty.policy.mtu + ethernet.HEADER_LENGTH + ethernet.MOST_TAGS * ethernet.TAG_LENGTH

    def _use(self, sock: socket.socket) -> socket.socket:
        """Have buffers for frames of an interface with this MTU, and answer on this socket."""
        size, tables = self._frame_size, self._duty.tables
        self._sender = BatchSender(sock)
        if tables:
            self._accelerator = Accelerator(sock, size, self._settings(tables), tables, self._ring)
            self._accelerator.trace(self._sink is not None)
            self._accelerator.flush(self._counters)
        else:
            self._receiver = BatchReceiver(sock, size)
        self._reactor.register(sock.fileno(), self._ready)
        return sock

    def _settings(self, tables: Tables) -> native.Settings:
        """What the part in C has to know."""
        duty = self._duty
        assert duty.limits is not None, "there are tables only where C knows the mode"
        tables.allow(duty.policy.allow)
        return native.settings(duty.policy, *duty.limits, breaker=duty.breaker)

    def _settle(self) -> None:
        """Tell the part in C what is its business."""
        if self._accelerator and self._duty.tables:
            self._accelerator.adopt(self._settings(self._duty.tables))

    def _ready(self, _events: int) -> None:
        for _ in range(ROUNDS):
            try:
                count = self._serve()
            except OSError as error:
                # ENETDOWN once after the interface went down or away; rtnetlink tells the rest.
                if error.errno in OUR_FAULTS:
                    raise
                continue
            if count and self._duty.spin:
                self._reactor.spin(self._duty.spin)
            if count < BATCH:
                break

    def _serve(self) -> int:
        """Serve one batch: its length."""
        if self._accelerator:
            return self._serve_fast(self._accelerator)
        assert self._receiver
        batch = self._receiver.receive()
        if batch:
            self._counters.kernel_drops += kernel_drops(self._socket)
        answers = self._answer(batch)
        if self._sink:
            for received, answer in zip(batch, answers, strict=True):
                self._sink(received.frame, self._arrival(received), answer)
        return len(batch)

    def _serve_fast(self, fast: Accelerator) -> int:
        count = fast.serve()
        refused = fast.refused
        if refused:
            self._counters.replied -= len(refused)
            self._count_refused(refused)
        answers = self._answer(fast.unhandled)
        if self._sink:
            self._tell(self._sink, fast.traced(count), iter(answers))
        return count

    def _tell(self, sink: Sink, traced: Iterable[Traced], answers: Iterator[Reply | Drop]) -> None:
        """Of a batch that C served; the reflector's answers to what C left alone are in the same order."""
        for frame, verdict, refused in traced:
            answer = OUTCOMES[verdict] or next(answers)
            sink(frame.frame, self._arrival(frame), Drop(DropReason.TRANSMIT_ERROR) if refused else answer)

    def _answer(self, batch: list[Received]) -> list[Reply | Drop]:
        """Have the reflector decide, and send its replies: what became of each frame."""
        if not batch:
            return []
        self._counters.received += len(batch)
        answers = [self._duty.reflector.reflect(one.frame, self._arrival(one), _now()) for one in batch]
        replies = [index for index, answer in enumerate(answers) if isinstance(answer, Reply)]
        refused = self._sender.send([answer.frame for answer in answers if isinstance(answer, Reply)])
        self._counters.replied += len(replies) - len(refused)
        self._count_refused(code for _, code in refused)
        for index, _ in refused:
            answers[replies[index]] = Drop(DropReason.TRANSMIT_ERROR)
        for answer in answers:
            if isinstance(answer, Drop) and answer.reason is not DropReason.TRANSMIT_ERROR:
                self._counters.drop(answer.reason)
        return answers

    def _arrival(self, received: Received) -> Arrival:
        return Arrival(
            received.length,
            ethernet.Tag(*received.tag) if received.tag else None,
            received.packet_type == PACKET_OUTGOING,
            received.packet_type == PACKET_OTHERHOST,
            received.received_at,
            self._counters.kernel_drops & DROPPED_MASK,
        )

    def _count_refused(self, codes: Iterable[int]) -> None:
        for code in codes:
            self._counters.transmit_error(errno.errorcode.get(code, str(code)))


def _now() -> Instant:
    return Instant(time.monotonic_ns(), time.time_ns())
