"""The standard streams, where whoever started us closed some."""

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
