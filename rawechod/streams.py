"""The standard streams: where whoever started us closed some, and what may be written to a terminal."""

from __future__ import annotations

import os
import sys


def stand_in() -> None:
    """Closed ones lead nowhere from now on: no socket of ours may get their numbers, and be written to."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(spare)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def printable(text: str) -> str:
    """A line with what would control a terminal as escapes, such as \\x1b: it may come from anybody."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def printable_lines(text: str) -> str:
    """The same of several lines."""
    return "\n".join(map(printable, text.split("\n")))
