"""Talking to a daemon's control socket octet by octet, as root or as somebody else."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONTROL = "io.rawecho.Control"
SERVICE = "org.varlink.service"
NOBODY = 65534
STRANGER = 4711
"""A user whom no system knows."""

# A stranger may not read a checkout under /root, so the system's own Python runs this, in a process of its own.
_CONNECT = """
import socket, sys
path, count = sys.argv[1], int(sys.argv[2])
parent = socket.socket(fileno=0)
for _ in range(count):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(path)
        socket.send_fds(parent, [b"x"], [made.fileno()])
"""


class Talk:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(30)
        self.socket = sock
        self._rest = b""

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *messages: dict[str, Any]) -> None:
        """Send calls, all at once."""
        self.octets(b"".join(json.dumps(message).encode() + b"\0" for message in messages))

    def octets(self, data: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(data)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the control interface: its reply."""
        self.send({"method": f"{CONTROL}.{method}", "parameters": parameters})
        return self.receive()

    def more(self, method: str, **parameters: Any) -> None:
        """Call a method of the control interface with `more`."""
        self.send({"method": f"{CONTROL}.{method}", "parameters": parameters, "more": True})

    def receive(self) -> dict[str, Any]:
        """The next message; EOFError where none comes any more."""
        while b"\0" not in self._rest:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self._rest)
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def last(self) -> dict[str, Any]:
        """The message that ends a stream."""
        while (message := self.receive()).get("continues"):
            pass
        return message

    def rest(self) -> bytes:
        """All that comes until the daemon hangs up."""
        try:
            while data := self.socket.recv(65536):
                self._rest += data
        except ConnectionResetError:
            pass  # It hung up without reading all; what it had sent came before.
        return self._rest

    def finish(self) -> None:
        """Send no more."""
        self.socket.shutdown(socket.SHUT_WR)


def connect(path: Path) -> Talk:
    """Connect as root."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    return Talk(sock)


def connect_as(path: Path, uid: int, groups: Sequence[int] = (), count: int = 1) -> list[Talk]:
    """Connect as another user; the connections belong to whoever made them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = ["/usr/bin/python3", "-c", _CONNECT, str(path), str(count)]
        child = subprocess.Popen(
            command, stdin=theirs.fileno(), user=uid, group=uid, extra_groups=list(groups), cwd="/"
        )
        received = [socket.recv_fds(ours, 1, 1)[1][0] for _ in range(count)]
        assert child.wait() == 0
    return [Talk(socket.socket(fileno=fd)) for fd in received]
