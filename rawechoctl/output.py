"""Where results go: text for people, or JSON objects."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys

from rawechod.control.varlink import Parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

GREEN, YELLOW, RED, BOLD, PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
PLAIN_LETTERS = {"µ": "u", "…": "."}


def draw_plainly() -> None:
    """Have letters that the locale lacks take one place each, so that what is drawn keeps its width."""
    codecs.register_error("plain", _plain)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(PLAIN_LETTERS.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


class Output:
    """Text with colour only on a terminal; JSON as `--json` says."""

    def __init__(self, mode: str, stream: TextIO | None = None) -> None:
        if not (stream or sys.stdout):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._stream = stream or sys.stdout
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors="backslashreplace")  # A locale without our letters is no failure.
        self._ascii = (self._stream.encoding or "utf-8").lower() != "utf-8"
        self.as_json = mode != "off"
        self.on_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._pretty = mode == "pretty"
        self._colour = self.on_terminal and not os.environ.get("NO_COLOR")

    def object(self, value: Parameters) -> None:
        """One JSON object, at once: a reader may be waiting for it."""
        if self._pretty:
            text = json.dumps(value, indent=4, ensure_ascii=self._ascii)
        else:
            text = json.dumps(value, separators=(",", ":"), ensure_ascii=self._ascii)
        self.line(text)

    def line(self, text: str = "") -> None:
        """One line of text."""
        print(text, file=self._stream, flush=True)

    def painted(self, text: str, colour: str) -> str:
        """The text in a colour, where colours are shown."""
        return f"{colour}{text}{PLAIN}" if self._colour else text
