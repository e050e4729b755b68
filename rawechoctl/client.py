"""Speaks Varlink with the daemon over its Unix socket, one call at a time."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator

from rawechod.control import location
from rawechod.control.varlink import (
    INTERFACE,
    Call,
    CallError,
    Framer,
    Parameters,
    ProtocolError,
    Reply,
    decode_reply,
    encode_call,
)
from rawechod.streams import printable

READ_SIZE = 65_536
HUNG_UP = "rawechod closed the connection before it had answered; is it being restarted?"


class UnreachableError(Exception):
    """The daemon can't be reached, or went away; `str()` says what to do."""


class BrokenError(UnreachableError):
    """It went away when it had got a call."""


class Client:
    """A connection that is made with the first call, and anew with the first after it broke."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket: socket.socket | None = None
        self._finishing = False

    def call(self, method: str, **parameters: object) -> Parameters:
        """The method's reply; raises UnreachableError, CallError."""
        return next(self._exchange(method, parameters, more=False))

    def stream(self, method: str, tick: float | None = None, /, **parameters: object) -> Iterator[Parameters]:
        """The replies as they come, the last one included; raises UnreachableError, CallError.

        With `tick`, {} stands for that many seconds without any.
        """
        return self._exchange(method, parameters, True, tick)

    def finish(self) -> None:
        """Ask for no more: a stream ends with its last reply, also one that is about to begin."""
        self._finishing = True
        if self._socket:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The daemon is gone; reading says so.

    def hang_up(self) -> None:
        """Wait for nothing more: a stream ends with UnreachableError."""
        self._finishing = True
        if self._socket:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The daemon is gone; reading says so.

    def _exchange(
        self, method: str, parameters: Parameters, more: bool, tick: float | None = None
    ) -> Iterator[Parameters]:
        given = {name: value for name, value in parameters.items() if value is not None}
        connection = self._connect()
        framer = Framer()
        try:
            send(connection, Call(f"{INTERFACE}.{method}", given, more))
            if self._finishing:
                connection.shutdown(socket.SHUT_WR)
            for data in _received(connection, tick):
                if not data:
                    yield {}
                for message in framer.feed(data):
                    reply = decoded(message)
                    if reply.error:
                        raise call_error(reply)
                    yield reply.parameters
                    if not reply.continues:
                        return
        except OSError as error:
            self._socket = None
            raise BrokenError(f"the connection to rawechod broke: {error.strerror}") from error
        except ProtocolError as error:
            raise UnreachableError(f"{self.path} does not speak Varlink: {error}") from error
        self._socket = None
        raise BrokenError(HUNG_UP)

    def _connect(self) -> socket.socket:
        if self._socket is None:
            self._socket = connect(self.path)
        return self._socket


def connect(path: str) -> socket.socket:
    """A connection to the daemon; raises UnreachableError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise UnreachableError(_advice(path, error)) from error
    server = _server_uid(connection)
    if not location.is_trusted(server):
        connection.close()
        raise UnreachableError(
            f"{path} is served by uid {server}, who is neither root nor {location.SERVICE_USER} nor you: "
            "it was asked nothing"
        )
    return connection


def _server_uid(connection: socket.socket) -> int:
    """Who had listened on it: unix(7), SO_PEERCRED."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def send(connection: socket.socket, call: Call) -> None:
    """Send a call; raises OSError."""
    try:
        connection.sendall(encode_call(call), socket.MSG_NOSIGNAL)
    except BrokenPipeError:
        pass  # Turned away; what the daemon has to say is there to be read.


def decoded(message: bytes) -> Reply:
    """A reply, all its texts fit for a terminal; raises ProtocolError."""
    reply = decode_reply(message)
    # What controls a terminal is an escape in JSON, but for DEL and what is not ASCII.
    if b"\\" in message or b"\x7f" in message or not message.isascii():
        reply.error = printable(reply.error)
        reply.parameters = {printable(name): _printable(value) for name, value in reply.parameters.items()}
    return reply


def _printable(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {printable(name): _printable(each) for name, each in value.items()}
    return value


def call_error(reply: Reply) -> CallError:
    """The error that a reply is."""
    error = CallError(reply.error)
    error.parameters = reply.parameters
    return error


def _received(connection: socket.socket, tick: float | None) -> Iterator[bytes]:
    """What comes until the far end closes, and b"" for each `tick` without anything."""
    connection.settimeout(tick)
    while True:
        try:
            data = connection.recv(READ_SIZE)
        except TimeoutError:
            yield b""
            continue
        if not data:
            return
        yield data


def _advice(path: str, error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return (
            f"rawechod is not running, nobody listens on {path}: start it with `systemctl start rawechod`, "
            "or name another socket with --socket"
        )
    reason = error.strerror or os.strerror(error.errno or 0) if error.errno else str(error)
    return f"can't connect to {path}: {reason}"
