"""A connection by itself: faults of a method's own, and a client that does not read."""

from __future__ import annotations

import json
import os
import socket

from rawechod.control.authorize import Peer
from rawechod.control.connection import MOST_UNREAD, Connection, Exchange, Turns
from rawechod.reactor import Reactor


def faulty(exchange: Exchange) -> None:
    """A method that fails as none should, and then one that answers."""
    if exchange.call.method == "a.Faulty":
        raise ZeroDivisionError
    exchange.reply({})


def test_fault_of_a_method() -> None:
    """The caller is told, and the next call is answered."""
    reactor = Reactor()
    near, far = socket.socketpair()
    far.setblocking(False)
    peer = Peer(os.getpid(), os.getuid(), frozenset())
    Connection(reactor, Turns(reactor), far, peer, True, faulty, lambda _: reactor.stop())
    near.sendall(b'{"method":"a.Faulty"}\0{"method":"a.Sound"}\0')
    near.shutdown(socket.SHUT_WR)
    reactor.run()
    with near:
        first, second, rest = near.recv(4096).split(b"\0")
    reactor.close()
    assert json.loads(first) == {"error": "io.rawecho.Control.InternalError", "parameters": {}}
    assert json.loads(second) == {"parameters": {}}
    assert rest == b""


class Streaming:
    """A client that has asked for a stream, and reads nothing of it."""

    def __init__(self) -> None:
        self.reactor, self.ends = Reactor(), list[str]()
        self.near, far = socket.socketpair()
        far.setblocking(False)
        peer = Peer(os.getpid(), os.getuid(), frozenset())
        turns = Turns(self.reactor)
        self.connection = Connection(self.reactor, turns, far, peer, True, self._stream, self._closed)
        self.near.sendall(b'{"method":"a.Stream","more":true}\0')
        self.reactor.run()

    def _stream(self, exchange: Exchange) -> None:
        exchange.on_hang_up = lambda: self.ends.append("stream")
        self.exchange = exchange
        self.reactor.stop()

    def _closed(self, _: Connection) -> None:
        self.ends.append("connection")
        self.reactor.stop()

    def rest(self) -> set[int]:
        """Which octets come until the end."""
        found: set[int] = set()
        with self.near:
            while data := self.near.recv(1 << 20):
                found |= set(data)
        self.reactor.close()
        return found


def test_bound_of_what_is_not_read() -> None:
    """So many octets are kept for a client; with one more it is hung up on, and what it asked for ends."""
    client = Streaming()
    connection, exchange = client.connection, client.exchange
    while not connection.unsent:
        exchange.event_of(bytes(1 << 16))
    exchange.event_of(bytes(MOST_UNREAD - connection.unsent))
    assert (connection.unsent, client.ends) == (MOST_UNREAD, [])
    for _ in range(2):
        exchange.event_of(b"x")
        assert connection.unsent == 0
    client.reactor.run()
    assert client.ends == ["stream", "connection"]
    assert client.rest() == {0}
