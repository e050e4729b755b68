"""Accepts clients, cuts their octets into calls, hands the calls on; bounded in every direction."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable

from rawechod import events, journal
from rawechod.control import authorize, varlink
from rawechod.control.authorize import Peer
from rawechod.control.connection import Connection, Dispatch, Turns
from rawechod.control.varlink import CallError
from rawechod.reactor import Reactor

MOST_CONNECTIONS = 512
MOST_CONNECTIONS_A_UID = 128
OPERATORS, ROOT = 64, 16
"""Connections that operators, and then root and our own user alone, get: others can't lock them out."""
MOST_ACCEPTED = 64
"""Clients a turn of the loop."""
SILENCE = 10_000_000_000
"""Who has made no call for so many nanoseconds after it connected is hung up on."""
PAUSE = 1_000_000_000
"""After accept failed for want of descriptors, nanoseconds."""


class Server:
    """Serves Varlink on listening sockets."""

    def __init__(
        self,
        reactor: Reactor,
        sockets: list[socket.socket],
        dispatch: Dispatch,
        is_operator: Callable[[Peer], bool],
    ) -> None:
        self._reactor = reactor
        self._turns = Turns(reactor)
        self._dispatch = dispatch
        self._is_operator = is_operator
        self._connections: set[Connection] = set()
        self._silent: dict[Connection, int] = {}
        """Those that may not have made a call yet, the oldest first, and when they came."""
        self._waits = False
        """For the silence of the oldest of them to end."""
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
        for _ in range(MOST_ACCEPTED):
            try:
                client, _ = sock.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError:
                # No descriptor left: the socket stays ready, so look away for a while.
                self._heard.discard(sock)
                self._reactor.unregister(sock.fileno())
                self._reactor.call_at(self._reactor.now() + PAUSE, lambda: self._listen(sock))
                return
            self._welcome(client)

    def _welcome(self, client: socket.socket) -> None:
        client.setblocking(False)
        try:
            peer = authorize.peer_of(client)
        except OSError:
            client.close()
            return
        operator = self._is_operator(peer)
        if not self._has_room(peer, operator):
            self._turn_away(client, peer)
            return
        self._uids[peer.uid] += 1
        connection = Connection(self._reactor, self._turns, client, peer, operator, self._dispatch, self._gone)
        self._connections.add(connection)
        self._expect_a_call(connection)

    def _expect_a_call(self, connection: Connection) -> None:
        now = self._reactor.now()
        if not self._waits:
            self._waits = True
            self._reactor.call_at(now + SILENCE, self._end_silence)
        self._silent[connection] = now

    def _has_room(self, peer: Peer, operator: bool) -> bool:
        """Whether one more may stay, if need be in the place of somebody else's that asks for nothing."""
        if self._uids[peer.uid] >= MOST_CONNECTIONS_A_UID:
            return False
        reserved = 0 if peer.uid in (0, os.getuid()) else ROOT if operator else ROOT + OPERATORS
        if len(self._connections) < MOST_CONNECTIONS - reserved:
            return True
        victim = self._victim(peer, operator)
        if victim:
            self._report(victim.peer)
            victim.turn_away()
        return victim is not None

    def _victim(self, peer: Peer, operator: bool) -> Connection | None:
        """Of the greediest user's idle connections the one that has been so longest.

        An operator gets the place of anybody who is none, whoever else that of a user with more connections.
        """

        def yields(one: Connection) -> bool:
            greedier = self._uids[one.peer.uid] > self._uids[peer.uid]
            return one.idle_since is not None and (greedier if one.operator == operator else operator)

        def order(one: Connection) -> tuple[bool, int, int]:
            return one.operator, -self._uids[one.peer.uid], one.idle_since or 0

        return min(filter(yields, self._connections), key=order, default=None)

    def _end_silence(self) -> None:
        """Hang up on those who connected long ago and never asked for anything."""
        self._waits, now = False, self._reactor.now()
        for connection, since in list(self._silent.items()):
            if connection.heard:
                del self._silent[connection]
            elif now - since >= SILENCE:
                connection.close()
            else:
                self._waits = True
                self._reactor.call_at(since + SILENCE, self._end_silence)
                return

    def _turn_away(self, client: socket.socket, peer: Peer) -> None:
        self._report(peer)
        try:
            client.send(varlink.encode_error(CallError("TooManyConnections")))
        except OSError:
            pass
        client.close()

    @staticmethod
    def _report(peer: Peer) -> None:
        journal.emit(events.CLIENT_CUT_OFF, uid=peer.uid, problem="too many connections")

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._silent.pop(connection, None)
        self._uids[connection.peer.uid] -= 1
        self._uids += Counter()
