"""What a probe's payload is filled with, so that corruption of any kind shows."""

from __future__ import annotations

import secrets
from itertools import cycle, islice

DEFAULT_PATTERN = "counting"
PATTERNS = {
    "counting": bytes(range(256)),
    "zero": b"\x00",
    "ff": b"\xff",
}
"""Octets that are repeated."""
RANDOM = "random"
HEX = "hex:"
ALLOWED = f"{', '.join(PATTERNS)}, {RANDOM} or {HEX}DIGITS"


def payload(pattern: str, length: int) -> bytes:
    """So many octets of a pattern; raises ValueError with a sentence."""
    if pattern == RANDOM:
        return secrets.token_bytes(length)
    repeated = PATTERNS.get(pattern)
    if pattern.startswith(HEX):
        try:
            repeated = bytes.fromhex(pattern.removeprefix(HEX))
        except ValueError:
            repeated = None
    if not repeated:
        raise ValueError(f"{pattern!r} is no pattern: {ALLOWED}")
    return bytes(islice(cycle(repeated), length))
