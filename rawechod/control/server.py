"""Accepts clients, cuts their octets into calls, hands the calls on; bounded in every direction."""

from __future__ import annotations

import socket
from collections import Counter

from rawechod import events, journal
from rawechod.control import authorize, varlink
from rawechod.control.connection import Connection, Dispatch, Turns
from rawechod.control.varlink import CallError
from rawechod.reactor import Reactor

MOST_CONNECTIONS = 512
MOST_CONNECTIONS_A_UID = 128
ROOT = 0
RESERVED = 32
"""Connections that root alone gets, so that others can't lock it out."""
PAUSE = 1_000_000_000
"""After accept failed for want of descriptors, nanoseconds."""


class Server:
    """Serves Varlink on listening sockets."""

    def __init__(self, reactor: Reactor, sockets: list[socket.socket], dispatch: Dispatch) -> None:
        self._reactor = reactor
        self._turns = Turns(reactor)
        self._dispatch = dispatch
        self._connections: set[Connection] = set()
        self._uids: Counter[int] = Counter()
        self._heard: set[socket.socket] = set()
        """Those that are not paused."""
        for sock in sockets:
            sock.setblocking(False)
            self._listen(sock)

    def close(self) -> None:
        """Flush what can be flushed at once and hang up."""
        for sock in self._heard:
            self._reactor.unregister(sock.fileno())
        for connection in list(self._connections):
            connection.close()

    def _listen(self, sock: socket.socket) -> None:
        self._heard.add(sock)
        self._reactor.register(sock.fileno(), lambda _events: self._accept(sock))

    def _accept(self, sock: socket.socket) -> None:
        try:
            client, _ = sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # No descriptor left: the socket stays ready, so look away for a while.
            self._heard.discard(sock)
            self._reactor.unregister(sock.fileno())
            self._reactor.call_at(self._reactor.now() + PAUSE, lambda: self._listen(sock))
            return
        client.setblocking(False)
        try:
            peer = authorize.peer_of(client)
        except OSError:
            client.close()
            return
        most = MOST_CONNECTIONS if peer.uid == ROOT else MOST_CONNECTIONS - RESERVED
        if len(self._connections) >= most or self._uids[peer.uid] >= MOST_CONNECTIONS_A_UID:
            self._turn_away(client, peer)
            return
        self._uids[peer.uid] += 1
        self._connections.add(Connection(self._reactor, self._turns, client, peer, self._dispatch, self._gone))

    def _turn_away(self, client: socket.socket, peer: authorize.Peer) -> None:
        journal.emit(events.CLIENT_CUT_OFF, uid=peer.uid, problem="too many connections")
        try:
            client.send(varlink.encode_error(CallError("TooManyConnections")))
        except OSError:
            pass
        client.close()

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._uids[connection.peer.uid] -= 1
        self._uids += Counter()
