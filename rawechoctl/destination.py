"""Where a probe's rows or page go: opened before anything is sent, so that nobody waits for what can't be kept."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress

from rawechoctl.exits import UsageError


class Destination:
    """A file that stays as it was until something is to be written; `-` is the standard output."""

    def __init__(self, path: str) -> None:
        """Raises UsageError where it can't be opened."""
        self.name = "the standard output" if path == "-" else path
        self._path = path
        self._made = path != "-" and not os.path.lexists(path)
        self._begun = False
        try:
            self._fd = sys.stdout.fileno() if path == "-" else _open(path)
        except OSError as error:
            reason = "it is a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror
            raise UsageError(f"can't write {path}: {reason}") from error

    def begin(self) -> None:
        """Empty it; raises OSError."""
        self._begun = True
        if self._path != "-" and self._is_file():
            os.ftruncate(self._fd, 0)

    def write(self, text: str) -> None:
        """All of it, at once, or nothing where the disk fills; raises OSError."""
        octets = memoryview(text.encode(errors="backslashreplace"))  # A path need not be UTF-8.
        written = 0
        try:
            while written < len(octets):
                written += os.write(self._fd, octets[written:])
        except OSError:
            if self._is_file():
                self._take_back(written)
            raise

    def _is_file(self) -> bool:
        return stat.S_ISREG(os.fstat(self._fd).st_mode)

    def _take_back(self, written: int) -> None:
        """Cut off what was written last: half a row is worse than none. What others have behind it stays."""
        end = os.lseek(self._fd, 0, os.SEEK_CUR)
        if end == os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, end - written)
            os.lseek(self._fd, end - written, os.SEEK_SET)

    def close(self) -> None:
        """Take away a file that was made for nothing; what was written is there already."""
        if self._made and not self._begun:
            with suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108, who imports pathlib waits for it


def _open(path: str) -> int:
    """Raises OSError, also for a pipe without a reader, for whom a probe does not wait."""
    # Without O_TRUNC: a probe that is refused must not have emptied it.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
    os.set_blocking(fd, True)
    return fd
