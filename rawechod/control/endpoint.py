"""Having the control socket: its path, its lock, its permissions, or what systemd passed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from pathlib import Path

from rawechod.errors import ControlSocketError

BACKLOG = (1 << 31) - 1
"""As many as the system permits (net.core.somaxconn): who does not wait is told EAGAIN above it."""


class Endpoint:
    """A listening Unix socket at a path.

    A lock beside it tells a living daemon from a dead one's leftovers, without a moment in which two daemons
    that start together both take the path.
    """

    def __init__(self, path: str) -> None:
        """Raises ControlSocketError."""
        self.path = Path(path)
        try:
            self._lock = _take_lock(Path(f"{path}.lock"), path)
        except OSError as error:
            raise ControlSocketError(f"control socket {path}: {error.strerror}") from error
        try:
            self.socket = self._bind()
        except OSError as error:
            self._unlock()
            raise ControlSocketError(f"control socket {path}: {error.strerror or error}") from error
        self._identity = _identity(self.path)

    def close(self) -> None:
        """Stop listening; the path goes, where it is still ours."""
        self.socket.close()
        if _identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)
        # Who has given up root's privileges may not: the next one clears it away.
        with contextlib.suppress(PermissionError):
            self._unlock()

    def _unlock(self) -> None:
        try:
            Path(f"{self.path}.lock").unlink(missing_ok=True)
        finally:
            os.close(self._lock)

    def _bind(self) -> socket.socket:
        self._remove_leftover()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        umask = os.umask(0o177)
        try:
            sock.bind(str(self.path))
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(umask)
        sock.listen(BACKLOG)
        # Anybody may connect; peer credentials decide on what they may do.
        self.path.chmod(0o666)
        return sock

    def _remove_leftover(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise OSError(errno.EEXIST, "something that is no socket is in the way")
        if _answers(self.path):
            raise OSError(errno.EADDRINUSE, "another daemon is listening there")
        self.path.unlink()


def _take_lock(path: Path, name: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise ControlSocketError(f"control socket {name}: another rawechod is running there") from error
        # Its last holder may have removed the file between our open and our lock.
        if _identity(path) == (os.fstat(fd).st_dev, os.fstat(fd).st_ino):
            return fd
        os.close(fd)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) != errno.ECONNREFUSED


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
