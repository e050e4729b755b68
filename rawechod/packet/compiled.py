"""What the C parts have in common: where they are, and the layout of batch.h's structures."""

from __future__ import annotations

import ctypes
from importlib import machinery
from pathlib import Path

from rawechod.packet.batch import Received


class Arrival(ctypes.Structure):
    """`struct re_arrival`: a received frame."""

    _fields_ = (
        ("octets", ctypes.c_void_p),
        ("received_at", ctypes.c_uint64),
        ("kept", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
        ("packet_type", ctypes.c_uint32),
        ("tagged", ctypes.c_int32),
        ("tag", ctypes.c_uint8 * 4),
    )

    def received(self) -> Received:
        """A copy, as BatchReceiver hands it over."""
        tag = bytes(self.tag)
        return Received(
            ctypes.string_at(self.octets, self.kept),
            self.length,
            self.packet_type,
            (int.from_bytes(tag[:2]), int.from_bytes(tag[2:])) if self.tagged else None,
            self.received_at,
        )


class Refusal(ctypes.Structure):
    """`struct refusal`: a frame that the kernel did not take."""

    _fields_ = (("index", ctypes.c_int32), ("error", ctypes.c_int32))


def library(room: Path, name: str) -> ctypes.CDLL | None:
    """A compiled part of a package; None where it was built without."""
    candidates = (room / f"{name}{suffix}" for suffix in machinery.EXTENSION_SUFFIXES)
    return next((ctypes.CDLL(str(path)) for path in candidates if path.exists()), None)
