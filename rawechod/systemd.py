"""What systemd wants to know and gives: sd_notify(3), sd_listen_fds(3), the watchdog."""

from __future__ import annotations

import os
import socket
import time

from rawechod.errors import ControlSocketError
from systemd import daemon

LONGEST_STATUS = 1000
"""Characters: systemd ignores messages of more than 4096 octets."""
EXTENSION = 20_000_000
"""Microseconds in which there is progress again."""


def notify(*assignments: str) -> None:
    """Tell the service manager; without one nothing happens. It never fails a caller."""
    try:
        daemon.notify("\n".join(assignments))
    except OSError:
        pass  # A service manager that is going away is no reason to stop answering.


def ready(status: str) -> None:
    """All sockets are bound, the control socket is served."""
    notify("READY=1", f"STATUS={status[:LONGEST_STATUS]}")


def reloading() -> None:
    """A reload has begun; end it with `ready`."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def extend_timeout() -> None:
    """What is under way (start, reload or end) takes its time, and makes progress."""
    notify(f"EXTEND_TIMEOUT_USEC={EXTENSION}")


def stopping() -> None:
    """The end has begun."""
    notify("STOPPING=1", "STATUS=stopping")


def watchdog_interval() -> int:
    """Nanoseconds between two WATCHDOG=1, half of what systemd allows; 0 = no watchdog."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return 0
    return int(microseconds) * 1000 // 2


def feed_watchdog() -> None:
    """The loop is alive."""
    notify("WATCHDOG=1")


def listen_sockets() -> list[socket.socket]:
    """Unix stream sockets that were passed with LISTEN_FDS; others are closed. Raises ControlSocketError."""
    sockets = []
    try:
        fds = daemon.listen_fds(True)
    except OSError as error:
        raise ControlSocketError(f"LISTEN_FDS promises what was not passed: {error.strerror}") from error
    for fd in fds:
        if daemon.is_socket_unix(fd, socket.SOCK_STREAM, 1):
            sockets.append(socket.socket(fileno=fd))
        else:
            os.close(fd)
    return sockets
