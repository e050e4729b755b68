"""A terminal that tests type into and read from: the near end of a pty."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")
CTRL_C = b"\x03"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
OWN_SCREEN, COMMON_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """Runs one program, which has the pty as its controlling terminal."""

    PATIENCE = 30

    def __init__(
        self, command: Sequence[str], cwd: Path, columns: int = 100, lines: int = 30, **environment: str
    ) -> None:
        self._near, far = os.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.settings = termios.tcgetattr(far)
        self.written = ""
        """Everything so far, control sequences included."""
        self._far = far
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=far,
            stdout=far,
            stderr=far,
            cwd=cwd,
            env=os.environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | environment,
        )

    @property
    def text(self) -> str:
        """What was written, without control sequences."""
        return _SEQUENCE.sub("", self.written)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._near, keys)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until the text has this, and return the match."""
        deadline = time.monotonic() + self.PATIENCE
        while not (match := re.search(pattern, self.text)):
            if time.monotonic() > deadline or not self._read(deadline):
                raise AssertionError(f"waited in vain for {pattern!r}; written was {self.text!r}")
        return match

    def end(self) -> int:
        """Wait for the program's end, read the rest, and return the exit status."""
        deadline = time.monotonic() + self.PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self._read(time.monotonic() + 0.1)
        while self._read(0):
            pass
        return self.process.wait()

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._near], [], [], max(deadline - time.monotonic(), 0))
        if ready:
            self.written += os.read(self._near, 65536).decode(errors="replace")
        return bool(ready)

    def settings_now(self) -> list[object]:
        """The line's settings; they are to be `settings` again at the end."""
        return termios.tcgetattr(self._far)

    def close(self) -> None:
        """End the program and the terminal."""
        with self.process:
            self.process.kill()
        os.close(self._near)
        os.close(self._far)
