"""Several calls at once, a connection each, from one thread."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from rawechoctl.client import HUNG_UP, READ_SIZE, BrokenError, UnreachableError, call_error, connect, decoded, send
from rawechod.control.varlink import (
    INTERFACE,
    Call,
    CallError,
    Framer,
    Parameters,
    ProtocolError,
)

Key = TypeVar("Key")


class News(NamedTuple, Generic[Key]):
    """A reply to the call that was started as `key`, or its error."""

    key: Key
    parameters: Parameters
    last: bool
    error: CallError | None = None


class _Conversation(NamedTuple, Generic[Key]):
    key: Key
    framer: Framer


class Calls(Generic[Key]):
    """Calls under way: each ends with its last reply, or with its error."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._ending = False

    def __len__(self) -> int:
        return len(self._selector.get_map())

    def start(self, key: Key, method: str, **parameters: object) -> None:
        """Call a method for its stream of replies; raises UnreachableError."""
        given = {name: value for name, value in parameters.items() if value is not None}
        connection = connect(self._path)
        self._selector.register(connection, selectors.EVENT_READ, _Conversation(key, Framer()))
        try:
            send(connection, Call(f"{INTERFACE}.{method}", given, more=True))
        except OSError as error:
            raise UnreachableError(f"the connection to rawechod broke: {error.strerror}") from error

    def finish(self, key: Key | None = None) -> None:
        """Ask for no more: this call, or all of them, end with their last replies."""
        self._ending = self._ending or key is None
        for registered in self._selector.get_map().values():
            if key is None or registered.data.key == key:
                try:
                    registered.fileobj.shutdown(socket.SHUT_WR)  # type: ignore[union-attr]
                except OSError:
                    pass  # The daemon is gone; reading says so.

    def hang_up(self) -> None:
        """Wait for nothing more: where calls are under way, reading raises UnreachableError."""
        self._ending = True
        for registered in self._selector.get_map().values():
            try:
                registered.fileobj.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
            except OSError:
                pass  # The daemon is gone; reading says so.

    def news(self, timeout: float | None = None) -> Iterator[News[Key]]:
        """What has come, waited for as many seconds; raises UnreachableError."""
        for registered, _ in self._selector.select(timeout):
            connection: socket.socket = registered.fileobj  # type: ignore[assignment]
            for one in self._read(connection, registered.data):
                if one.last:
                    self._selector.unregister(connection)
                    connection.close()
                yield one

    def run(
        self, method: str, wishes: Iterable[tuple[Key, Parameters]], gap: float = 0, most: int = 64
    ) -> Iterator[News[Key]]:
        """Make calls, one each `gap` seconds and at most so many at once; what they bring, up to the last."""
        waiting, start_at = deque(wishes), time.monotonic()
        while (waiting and not self._ending) or len(self):
            now = time.monotonic()
            if waiting and now >= start_at and len(self) < most and not self._ending:
                key, parameters = waiting.popleft()
                self.start(key, method, **parameters)
                start_at = now + gap
                continue
            starts = waiting and len(self) < most and not self._ending
            yield from self.news(start_at - now if starts else None)

    def close(self) -> None:
        """Hang up on those that are left."""
        for registered in list(self._selector.get_map().values()):
            registered.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _read(self, connection: socket.socket, conversation: _Conversation[Key]) -> list[News[Key]]:
        try:
            data = connection.recv(READ_SIZE)
            messages = conversation.framer.feed(data)
            replies = [decoded(message) for message in messages]
        except OSError as error:
            raise BrokenError(f"the connection to rawechod broke: {error.strerror}") from error
        except ProtocolError as error:
            raise UnreachableError(f"{self._path} does not speak Varlink: {error}") from error
        if not data:
            raise BrokenError(HUNG_UP)
        key = conversation.key
        return [
            News(key, reply.parameters, not reply.continues, call_error(reply) if reply.error else None)
            for reply in replies
        ]
