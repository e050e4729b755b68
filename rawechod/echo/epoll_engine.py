"""AF_PACKET in batches -> reflector -> AF_PACKET."""

from __future__ import annotations

import errno
import time

from rawechod.echo.counters import Counters
from rawechod.echo.reflector import Arrival, Instant, Policy, Reflecting, Reply
from rawechod.packet.batch import (
    BATCH,
    PACKET_OTHERHOST,
    PACKET_OUTGOING,
    BatchReceiver,
    BatchSender,
    Received,
)
from rawechod.packet.socket import Options, kernel_drops, open_socket
from rawechod.reactor import Reactor
from rawechod.wire import ethernet

NAME = "epoll"
ROUNDS = 4
"""Batches a wake-up, so that control and probes are not starved."""


class EpollEngine:
    """Answers on one interface with one socket, from the reactor."""

    def __init__(
        self,
        reactor: Reactor,
        ifindex: int,
        options: Options,
        reflector: Reflecting,
        counters: Counters,
        mtu: int,
    ) -> None:
        """Raises PrivilegeError or InterfaceError."""
        self._reactor = reactor
        self._reflector = reflector
        self._counters = counters
        self._socket = open_socket(ifindex, options)
        self._sender = BatchSender(self._socket)
        self._kernel_drops = 0
        self.resize(mtu)
        reactor.register(self._socket.fileno(), self._ready)

    def resize(self, mtu: int) -> None:
        """Expect frames of an interface with this MTU."""
        size = mtu + ethernet.HEADER_LENGTH + ethernet.MOST_TAGS * ethernet.TAG_LENGTH
        self._receiver = BatchReceiver(self._socket, size)

    def adopt(self, policy: Policy) -> None:
        """Follow a change of the interface that needs no other socket."""
        self._reflector.adopt(policy)
        self.resize(policy.mtu)

    def kernel_drops(self) -> int:
        """Frames that found the receive buffer full, since this socket was opened."""
        self._kernel_drops += kernel_drops(self._socket)
        return self._kernel_drops

    def close(self) -> None:
        """Stop answering."""
        self._reactor.unregister(self._socket.fileno())
        self._socket.close()

    def _ready(self, _events: int) -> None:
        for _ in range(ROUNDS):
            try:
                batch = self._receiver.receive()
            except OSError:
                continue  # ENETDOWN once after the interface went down or away; rtnetlink tells the rest.
            if batch:
                self._answer(batch)
            if len(batch) < BATCH:
                break

    def _answer(self, batch: list[Received]) -> None:
        self._counters.received += len(batch)
        replies: list[bytes] = []
        for received in batch:
            now = Instant(time.monotonic_ns(), time.time_ns())
            answer = self._reflector.reflect(received.frame, _arrival(received), now)
            if isinstance(answer, Reply):
                replies.append(answer.frame)
            else:
                self._counters.drop(answer.reason)
        refused = self._sender.send(replies)
        self._counters.replied += len(replies) - len(refused)
        for _, code in refused:
            self._counters.transmit_error(errno.errorcode.get(code, str(code)))


def _arrival(received: Received) -> Arrival:
    return Arrival(
        received.length,
        ethernet.Tag(*received.tag) if received.tag else None,
        received.packet_type == PACKET_OUTGOING,
        received.packet_type == PACKET_OTHERHOST,
        received.received_at,
    )
