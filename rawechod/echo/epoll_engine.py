"""AF_PACKET in batches -> reflector -> AF_PACKET.

Where the compiled part is there it answers the valid requests, and the reflector only sees the rest.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from rawechod.echo import accelerator, native
from rawechod.echo.accelerator import Accelerator
from rawechod.echo.breaker import StormBreaker
from rawechod.echo.counters import Counters
from rawechod.echo.peers import Census
from rawechod.echo.reflector import Arrival, Drop, Instant, Policy, Reflecting, Reply
from rawechod.echo.tracing import Sink
from rawechod.errors import InterfaceError
from rawechod.packet.batch import BATCH, PACKET_OTHERHOST, PACKET_OUTGOING, BatchReceiver, BatchSender, Received
from rawechod.packet.socket import NO_RING, Options, kernel_drops, open_socket, ring_for
from rawechod.reactor import Reactor
from rawechod.reasons import DropReason
from rawechod.wire import ethernet

NAME = "epoll"
ROUNDS = 4
"""Batches a wake-up, so that control and probes are not starved."""
OUR_FAULTS = frozenset({errno.EBADF, errno.EFAULT, errno.EINVAL, errno.EMSGSIZE, errno.ENOTSOCK})
"""Errors of recvmmsg that no interface causes: going on would be a busy loop."""


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

    @property
    def fast(self) -> native.Settings | None:
        """For batch.c, which has no list of sources."""
        if self.limits is None or self.policy.allow:
            return None
        return native.settings(self.policy, *self.limits, breaker=self.breaker)


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
        self._kernel_drops = 0
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

    def census(self) -> Census:
        """What was counted of each peer, and not by the reflector."""
        return self._accelerator.census() if self._accelerator else Census({})

    def send(self, frame: bytes) -> None:
        """Send a frame of our own; one that the kernel refuses is lost."""
        self._sender.send([frame])

    def survey(self, breaker: StormBreaker) -> None:
        """Bring the storm breaker up to date; the reflector does that itself."""
        if self._accelerator:
            self._accelerator.survey(breaker)

    def drain(self) -> None:
        """Serve what has arrived up to now."""
        self._ready(0)

    def trace(self, sink: Sink | None) -> None:
        """Tell of each frame from now on; so long the part in C, which does not, leaves all to the reflector."""
        self._sink = sink
        self._settle()

    def kernel_drops(self) -> int:
        """Frames that found the receive buffer full, since this socket was opened."""
        self._kernel_drops += kernel_drops(self._socket)
        return self._kernel_drops

    def close(self) -> None:
        """Stop answering."""
        self._reactor.unregister(self._socket.fileno())
        self._release()
        self._socket.close()

    def _reopen(self) -> None:
        """Have larger or smaller buffers, and a socket to go with them."""
        try:
            fresh = self._open()
        except InterfaceError:
            return  # It is gone again; rtnetlink is about to tell.
        self.kernel_drops()
        self.close()
        self._socket = self._use(fresh)

    def _open(self) -> socket.socket:
        """A socket, with a ring where the part in C will read it; raises InterfaceError."""
        ifindex, options = self._place
        fast = self._duty.fast and accelerator.available()
        return open_socket(ifindex, replace(options, ring=ring_for(self._frame_size) if fast else NO_RING))

    @property
    def _frame_size(self) -> int:
        """Octets of the longest frame."""
        return self._duty.policy.mtu + ethernet.HEADER_LENGTH + ethernet.MOST_TAGS * ethernet.TAG_LENGTH

    def _use(self, sock: socket.socket) -> socket.socket:
        """Have buffers for frames of an interface with this MTU, and answer on this socket."""
        size, fast = self._frame_size, self._duty.fast
        self._sender = BatchSender(sock)
        if fast and accelerator.available():
            self._accelerator = Accelerator(sock, size, fast, ring_for(size))
            self._settle()
        else:
            self._receiver = BatchReceiver(sock, size)
        self._reactor.register(sock.fileno(), self._ready)
        return sock

    def _settle(self) -> None:
        """Tell the part in C what is its business."""
        fast = self._duty.fast
        if self._accelerator and fast:
            self._accelerator.adopt(native.idle(fast) if self._sink else fast)

    def _release(self) -> None:
        if self._accelerator:
            self.flush()
            self._duty.reflector.peers.add(self.census())
            self._accelerator.close()
        self._accelerator = self._receiver = None

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
        self._answer(batch)
        return len(batch)

    def _serve_fast(self, fast: Accelerator) -> int:
        count = fast.serve()
        refused = fast.refused
        if refused:
            self._counters.replied -= len(refused)
            self._count_refused(refused)
        self._answer(fast.unhandled)
        return count

    def _answer(self, batch: list[Received]) -> None:
        if not batch:
            return
        self._counters.received += len(batch)
        replies: list[bytes] = []
        answers: list[Reply | Drop] = []
        for received in batch:
            now = Instant(time.monotonic_ns(), time.time_ns())
            answer = self._duty.reflector.reflect(received.frame, _arrival(received), now)
            if isinstance(answer, Reply):
                replies.append(answer.frame)
            else:
                self._counters.drop(answer.reason)
            answers.append(answer)
        refused = self._sender.send(replies)
        self._counters.replied += len(replies) - len(refused)
        self._count_refused(code for _, code in refused)
        if self._sink:
            self._tell(self._sink, zip(batch, answers, strict=True), {index for index, _ in refused})

    @staticmethod
    def _tell(sink: Sink, decided: Iterable[tuple[Received, Reply | Drop]], refused: set[int]) -> None:
        replies = 0
        for received, answer in decided:
            if isinstance(answer, Reply):
                answer = Drop(DropReason.TRANSMIT_ERROR) if replies in refused else answer  # noqa: PLW2901
                replies += 1
            sink(received.frame, _arrival(received), answer)

    def _count_refused(self, codes: Iterable[int]) -> None:
        for code in codes:
            self._counters.transmit_error(errno.errorcode.get(code, str(code)))


def _arrival(received: Received) -> Arrival:
    return Arrival(
        received.length,
        ethernet.Tag(*received.tag) if received.tag else None,
        received.packet_type == PACKET_OUTGOING,
        received.packet_type == PACKET_OTHERHOST,
        received.received_at,
    )
