"""A reload: a child reads the file while the loop goes on; whatever goes wrong the old configuration stays."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from rawechod import events, journal, systemd
from rawechod.config_problems import ConfigError, Problem
from rawechod.errors import RawechoError
from rawechod.loading import Loaded, loaded
from rawechod.reactor import Deadline, Reactor

PATIENCE = 15_000_000_000
"""Nanoseconds in which a file is read and its operators are looked up."""
LONGEST_OUTPUT = 4 << 20
"""Octets; a configuration at its bounds takes a quarter."""
NOT_THE_CHILDS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")

Done = Callable[[Exception | None], None]
"""Gets None, or why the old configuration stays."""


class Reload:
    """One at a time: who asks while one is under way gets the next one, for the file may have changed since."""

    def __init__(self, reactor: Reactor, path: str, put_in_force: Callable[[Loaded, Done], None]) -> None:
        self._reactor = reactor
        self._path = path
        self._put_in_force = put_in_force
        self._child: _Child | None = None
        self._callers: list[Done] = []
        """Of the one that is under way."""
        self._next: list[Done] = []

    def request(self, done: Done) -> None:
        """Read the file again, and call back."""
        self._next.append(done)
        if not self._callers:
            self._begin()

    def close(self) -> None:
        """Give up what is under way."""
        if self._child:
            self._child.end()

    def _begin(self) -> None:
        self._callers, self._next = self._next, []
        systemd.reloading()
        try:
            self._child = _Child(self._reactor, self._path, self._read)
        except OSError as error:
            self._end(_refusal(self._path, f"no process can be started that reads it: {error.strerror}"))

    def _read(self, output: bytes | None) -> None:
        """What the child printed, None = not all of it in time."""
        self._child = None
        try:
            if output is None:
                words = f"it took longer than {PATIENCE // 10**9} s to read it and to look its operators up"
                raise _refusal(self._path, words)
            self._put_in_force(_loaded(output, self._path), self._end)
        except Exception as error:  # noqa: BLE001, a fault of ours must not leave the service reloading for ever
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        """Tell the journal, those who asked, and the service manager last: then nothing is outstanding."""
        callers, self._callers = self._callers, []
        if error is None:
            journal.emit(events.RELOADED, config=self._path)
        else:
            known = isinstance(error, RawechoError)
            problem = str(error) if known else f"{self._path}: an internal error: {error!r}; please report it"
            journal.emit(events.RELOAD_REFUSED, problem=problem, config=self._path)
            first, *more = problem.splitlines()
            rest = f" (and {len(more)} more)" if more else ""
            systemd.ready(f"old configuration kept: {first}{rest}")
        for done in callers:
            done(error)
        if self._next:
            self._begin()


def _refusal(path: str, sentence: str) -> ConfigError:
    return ConfigError(path, [Problem("", sentence)])


def _loaded(output: bytes, path: str) -> Loaded:
    try:
        return loaded(output, path)
    except ValueError as error:
        raise _refusal(path, "the process that reads it failed; the journal may say more") from error


class _Child:
    """`rawechod.loading` at work; calls back once, with its output or None, unless it is ended before."""

    def __init__(self, reactor: Reactor, path: str, on_end: Callable[[bytes | None], None]) -> None:
        """Raises OSError."""
        self._reactor = reactor
        self._on_end = on_end
        self._output = bytearray()
        self._fd, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(theirs, True)
            self._pid = _spawn(path, theirs)
        except OSError:
            os.close(self._fd)
            raise
        finally:
            os.close(theirs)
        reactor.register(self._fd, self._ready)
        self._deadline: Deadline = reactor.call_at(reactor.now() + PATIENCE, lambda: self._finish(None))

    def end(self) -> None:
        """Kill it."""
        self._deadline.cancel()
        self._reactor.unregister(self._fd)
        os.close(self._fd)
        os.kill(self._pid, signal.SIGKILL)
        _reap(self._reactor, self._pid)

    def _ready(self, _events: int) -> None:
        data = os.read(self._fd, 1 << 16)
        self._output += data
        if not data:
            self._finish(bytes(self._output))
        elif len(self._output) > LONGEST_OUTPUT:
            self._finish(None)

    def _finish(self, output: bytes | None) -> None:
        self.end()
        self._on_end(output)


def _spawn(path: str, output: int) -> int:
    """A child that prints there; raises OSError."""
    # Modules are looked for where ours came from, and not where we happen to have been started.
    isolation = "-I" if sys.flags.isolated else "-P"
    environment = {name: value for name, value in os.environ.items() if name not in NOT_THE_CHILDS}
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
    ]
    command = [sys.executable, isolation, "-m", "rawechod.loading", path]
    return os.posix_spawn(sys.executable, command, environment, file_actions=actions)


def _reap(reactor: Reactor, pid: int) -> None:
    """Wait in the loop: a process that hangs in the kernel outlives SIGKILL."""
    if os.waitpid(pid, os.WNOHANG)[0]:
        return
    pidfd = os.pidfd_open(pid)

    def ended(_events: int) -> None:
        reactor.unregister(pidfd)
        os.close(pidfd)
        os.waitpid(pid, 0)

    reactor.register(pidfd, ended)
