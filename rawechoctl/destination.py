"""Where a probe's rows or page go: opened before anything is sent, so that nobody waits for what can't be kept."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress

from rawechoctl.exits import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class Destination:
    """A file that stays as it was until something is to be written; `-` is the standard output."""

    def __init__(self, path: str) -> None:
        """Raises UsageError where it can't be opened."""
        self.name = "the standard output" if path == "-" else path
        self._path = path
        self._made = path != "-" and not os.path.lexists(path)
        self._begun = False
        try:
            # Not "w": a probe that is refused must not have emptied it.
            self._stream = sys.stdout if path == "-" else open(path, "a", encoding="utf-8", newline="")  # noqa: SIM115, PTH123
        except OSError as error:
            raise UsageError(f"can't write {path}: {error.strerror}") from error

    def begin(self) -> TextIO:
        """The stream to write to, emptied; raises OSError."""
        self._begun = True
        if self._path != "-" and stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode):
            self._stream.truncate(0)
        return self._stream

    def close(self) -> None:
        """Take away a file that was made for nothing; what was written is flushed already."""
        if self._made and not self._begun:
            with suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108, as open above: who imports pathlib waits for it
