"""One client of the control socket: partial reads and writes, one call at a time, backpressure, hang-up."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

from rawechod import events, journal
from rawechod.control import varlink
from rawechod.control.authorize import Peer
from rawechod.control.varlink import Call, CallError, Framer, Parameters, ProtocolError
from rawechod.reactor import ERROR, GONE, HANG_UP, READ, WRITE, Reactor

READ_SIZE = 8_192
"""Octets; small, since as many calls as they may hold are kept until their turn comes."""
MOST_UNREAD = 4 << 20
"""A client that lets so many octets of a stream pile up is cut off."""


class Exchange:
    """One call and the replies to it; handed to the method."""

    def __init__(self, connection: Connection, call: Call) -> None:
        self.call = call
        self.peer = connection.peer
        self.operator = connection.operator
        self.on_hang_up: Callable[[], None] | None = None
        """Called when the client wants no more; the final reply is still owed."""
        self.on_gone: Callable[[], None] | None = None
        """Called, after `on_hang_up` or instead, when nobody reads that reply any more."""
        self._connection: Connection | None = connection

    @property
    def behind(self) -> int:
        """Octets that the client has not read yet."""
        return self._connection.unsent if self._connection else 0

    def event(self, parameters: Parameters) -> None:
        """One of several replies, for calls with `more`."""
        self.event_of(varlink.encode_reply(parameters, continues=True))

    def event_of(self, message: bytes) -> None:
        """The same, of a message that many get."""
        if self._connection:
            self._connection.write(self, message)

    def reply(self, parameters: Parameters) -> None:
        """The last or only reply."""
        self.reply_of(varlink.encode_reply(parameters))

    def reply_of(self, message: bytes) -> None:
        """The same, of a message that many get."""
        self._finish(message)

    def fail(self, error: CallError) -> None:
        """The error instead of the last reply."""
        self._finish(varlink.encode_error(error))

    def _finish(self, message: bytes) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.write(self, message)
            connection.finished(self)


class Dispatch(Protocol):
    """Carries a call out."""

    def __call__(self, exchange: Exchange) -> None:
        """Reply, fail, or keep the exchange and do so later; raises CallError."""


class Turns:
    """One call a turn of the loop: who asks for much must not hold up frames and the others.

    Operators come first. Among them, and among the others, each user has a turn, however many connections it has.
    """

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._operators: dict[int, deque[Callable[[], None]]] = {}
        self._others: dict[int, deque[Callable[[], None]]] = {}
        """What waits, by uid; the uid whose turn is next comes first."""

    def wait(self, uid: int, operator: bool, serve: Callable[[], None]) -> None:
        """Call back when it is this caller's turn."""
        if not self._operators and not self._others:
            self._reactor.call_at(0, self._next)
        queues = self._operators if operator else self._others
        queues.setdefault(uid, deque()).append(serve)

    def _next(self) -> None:
        queues = self._operators or self._others
        uid = next(iter(queues))
        waiting = queues.pop(uid)
        serve = waiting.popleft()
        if waiting:
            queues[uid] = waiting
        if self._operators or self._others:
            self._reactor.call_at(0, self._next)
        serve()


class Connection:
    """One client."""

    def __init__(
        self,
        reactor: Reactor,
        turns: Turns,
        sock: socket.socket,
        peer: Peer,
        operator: bool,
        dispatch: Dispatch,
        on_close: Callable[[Connection], None],
    ) -> None:
        self.peer = peer
        self.operator = operator
        """Whether it was one when it connected: it has precedence. What it may do is looked up at each call."""
        self.heard = False
        """Whether it has ever made a call."""
        self._idle_since = reactor.now()
        self._reactor = reactor
        self._turns = turns
        self._socket = sock
        self._dispatch = dispatch
        self._on_close = on_close
        self._framer = Framer(varlink.CALL_LIMIT)
        self._calls: deque[bytes] = deque()
        self._unsent = bytearray()
        self._exchange: Exchange | None = None
        self._closing = False
        self._cut = False
        self._closed = False
        self._serves_soon = False
        self._events = READ | HANG_UP
        reactor.register(sock.fileno(), self._ready, self._events)

    @property
    def unsent(self) -> int:
        """Octets that the kernel did not take yet."""
        return len(self._unsent)

    @property
    def idle_since(self) -> int | None:
        """Since when it has asked for nothing, monotonic nanoseconds; None while something is under way."""
        return None if self._exchange or self._calls or self._unsent else self._idle_since

    def turn_away(self) -> None:
        """Say why, and hang up, in favour of somebody else."""
        self._unsent += varlink.encode_error(CallError("TooManyConnections"))
        self.close()

    def close(self) -> None:
        """Send what the kernel takes at once, then hang up."""
        if self._closed:
            return
        self._flush()
        self._closed = True
        self._reactor.unregister(self._socket.fileno())
        self._socket.close()
        exchange, self._exchange = self._exchange, None
        end = exchange and (exchange.on_gone or exchange.on_hang_up)
        if end:
            end()
        self._on_close(self)

    def write(self, exchange: Exchange, message: bytes) -> None:
        """Send a message, now or when the client reads; a one-way call gets none."""
        if self._closed or self._cut or exchange.call.oneway:
            return
        self._unsent += message
        if len(self._unsent) > MOST_UNREAD:
            self._cut_off("it does not read what it asked for")
            return
        self._flush()
        self._wait()

    def finished(self, exchange: Exchange) -> None:
        """An exchange has had its last reply."""
        if exchange is self._exchange:
            self._exchange = None
            self._idle_since = self._reactor.now()
            self._serve_soon()

    def _ready(self, events_ready: int) -> None:
        if events_ready & ERROR or (events_ready & WRITE and not self._flush()):
            self.close()
        elif self._exchange and events_ready & (HANG_UP | GONE):
            self._hang_up(self._exchange, gone=bool(events_ready & GONE))
        elif events_ready & (READ | HANG_UP) and not self._exchange and not self._calls:
            self._read()
        if not self._closed:
            self._wait()

    def _read(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self._closing = True
        try:
            self._calls.extend(self._framer.feed(data))
        except ProtocolError as error:
            self._reject(error)
            return
        self._serve_soon()

    def _serve_soon(self) -> None:
        if not self._serves_soon:
            self._serves_soon = True
            self._turns.wait(self.peer.uid, self.operator, self._serve)

    def _serve(self) -> None:
        """Carry out the next call, if the replies to the one before are taken."""
        self._serves_soon = False
        if self._calls and not self._exchange and not self._unsent and not self._closed:
            self._carry_out(self._calls.popleft())
        if not self._closed:
            self._wait()

    def _carry_out(self, message: bytes) -> None:
        try:
            call = varlink.decode_call(message)
        except ProtocolError as error:
            self._reject(error)
            return
        self.heard = True
        exchange = self._exchange = Exchange(self, call)
        try:
            self._dispatch(exchange)
        except CallError as error:
            exchange.fail(error)
        except Exception as error:  # noqa: BLE001, a fault of ours must not let a caller end the daemon
            journal.emit(events.FAILED, place=f"{call.method}: {error!r}")
            exchange.fail(CallError("InternalError"))

    def _reject(self, error: ProtocolError) -> None:
        """Say what is wrong and hang up: what follows can't be trusted to be framed."""
        self._unsent += varlink.encode_error(CallError("ProtocolError", reason=str(error)))
        self._calls.clear()
        self._closing = True
        self._flush()
        self._wait()

    def _hang_up(self, exchange: Exchange, gone: bool) -> None:
        """The client will send no more: what streams ends; its last reply and those to further calls follow."""
        if gone and not exchange.on_hang_up:
            self.close()  # Nobody is there to read what it waits for.
            return
        if gone:
            self._closing = True
            self._calls.clear()
        end, exchange.on_hang_up = exchange.on_hang_up, None
        end = exchange.on_gone or end if gone else end
        if end:
            end()

    def _cut_off(self, problem: str) -> None:
        journal.emit(events.CLIENT_CUT_OFF, uid=self.peer.uid, problem=problem)
        self._unsent.clear()
        self._calls.clear()
        self._cut = self._closing = True
        # From the loop: who writes is in the midst of what closing would end.
        self._reactor.call_at(0, self.close)

    def _flush(self) -> bool:
        """Send what can be sent; False where the client is gone."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            return True
        except OSError:
            self._unsent.clear()
            self._calls.clear()
            self._closing = True
            return False
        return True

    def _wait(self) -> None:
        """Wait for what can go on: reading stops while replies are unread or a call waits or is under way."""
        if self._closing and not self._unsent and not self._exchange and not self._calls:
            self.close()
            return
        idle = not self._exchange and not self._calls
        wanted = WRITE if self._unsent else READ if idle else 0
        if not self._closing and (idle or (self._exchange and self._exchange.on_hang_up)):
            wanted |= HANG_UP
        if self._calls and not self._exchange and not self._unsent:
            self._serve_soon()
        if wanted != self._events:
            self._events = wanted
            self._reactor.modify(self._socket.fileno(), wanted)
