"""A `rawechoctl probe` that runs while the test plays the other side."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.lab import Daemon, wait_for

Event = dict[str, Any]


class Probing:
    """Its events as they come; nothing is waited for longer than PATIENCE seconds."""

    PATIENCE = 20

    def __init__(self, daemon: Daemon, *arguments: str) -> None:
        self.process = daemon.ctl_popen("--json=short", "probe", *arguments)
        assert self.process.stdout
        self._fd = self.process.stdout.fileno()
        self._unread = b""

    def event(self, name: str, **fields: object) -> Event:
        """The next event of this name for which these fields have these values; those before it are skipped."""
        deadline = time.monotonic() + self.PATIENCE
        while time.monotonic() < deadline:
            event: Event = json.loads(self._line(deadline) or "{}")
            if event.get("event") == name and fields.items() <= event.items():
                return event
        raise AssertionError(f"no event {name!r} {fields}; the client said {self._errors()!r}")

    def _line(self, deadline: float) -> bytes:
        """The next line; empty where none comes in time, or ever."""
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._fd], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self._fd, 65536) if ready else b""
            if not data:
                return b""
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _errors(self) -> str:
        self.process.kill()
        return self.process.communicate()[1]

    def summary(self) -> Event:
        """The last event."""
        return self.event("summary")

    def interrupt(self) -> Event:
        """Ctrl-C, and the summary that it brings."""
        self.process.send_signal(signal.SIGINT)
        return self.summary()

    def wait(self) -> int:
        """The exit status."""
        try:
            return self.process.wait(self.PATIENCE)
        finally:
            self.close()

    def kill(self) -> None:
        """SIGKILL: the client dies without a word."""
        self.process.kill()
        self.wait()

    def close(self) -> None:
        """End it if it still runs."""
        with self.process:
            self.process.kill()


def connect(daemon: Daemon) -> socket.socket:
    """A connection to the control socket, for clients that behave as no client should."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(Probing.PATIENCE)
    made.connect(str(daemon.control))
    return made


def failure(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit status and the error text of a client that ends by itself."""
    _, errors = process.communicate(timeout=Probing.PATIENCE)
    return process.returncode, errors


@contextlib.contextmanager
def stopped(daemon: Daemon) -> Iterator[None]:
    """The daemon looks away while the block runs (SIGSTOP), and goes on after it."""
    daemon.signal(signal.SIGSTOP)
    tasks = Path(f"/proc/{daemon.process.pid}/task")
    wait_for(lambda: all(_state(task) == "T" for task in tasks.iterdir()), "the daemon stopped")
    yield
    daemon.signal(signal.SIGCONT)


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
