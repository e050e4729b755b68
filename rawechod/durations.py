"""Durations as people write them: `200ms`, `1s`, `10m`, or a bare number of seconds."""

from __future__ import annotations

import re
from decimal import Decimal

UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
"""Nanoseconds a unit."""
LONGEST = 366 * 24 * UNITS["h"]

_PATTERN = re.compile(rf"(\d{{1,17}}(?:\.\d{{1,9}})?)\s*({'|'.join(UNITS)})?", re.ASCII)


def parse_duration(text: str) -> int:
    """Nanoseconds; raises ValueError with a sentence."""
    match = _PATTERN.fullmatch(text.strip())
    value = int(Decimal(match[1]) * UNITS[match[2] or "s"]) if match else LONGEST + 1
    if value > LONGEST:
        raise ValueError(f"{text!r} is no duration: a number with ns, us, ms, s, m or h, such as 200ms")
    return value


def format_duration(nanoseconds: int) -> str:
    """The shortest text that `parse_duration` reads as the same value."""
    for unit in ("h", "m", "s", "ms", "us"):
        if nanoseconds and nanoseconds % UNITS[unit] == 0:
            return f"{nanoseconds // UNITS[unit]}{unit}"
    return f"{nanoseconds}ns" if nanoseconds else "0s"
