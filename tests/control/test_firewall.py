"""A fault of a method's own ends neither the daemon nor the connection."""

from __future__ import annotations

import json
import os
import socket

from rawechod.control.authorize import Peer
from rawechod.control.connection import Connection, Exchange, Turns
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
