"""Kernel time stamps, socket(7)."""

from __future__ import annotations

import struct

SCM_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
SECOND = 1_000_000_000


def decode(data: bytes | bytearray, offset: int) -> int:
    """A struct timespec as nanoseconds since the epoch."""
    seconds, nanoseconds = _TIMESPEC.unpack_from(data, offset)
    return int(seconds) * SECOND + int(nanoseconds)
