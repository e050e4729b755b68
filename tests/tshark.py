"""Frames through Wireshark's eyes, with our dissector."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.lab import REPOSITORY

DISSECTOR = REPOSITORY / "packaging/wireshark/rawecho.lua"
LINKTYPE_ETHERNET = 1
NANOSECONDS = 0xA1B23C4D


def need() -> None:
    """Skip where there is no tshark."""
    if not shutil.which("tshark"):
        pytest.skip("needs tshark")


def write(path: Path, frames: Iterable[tuple[int, bytes]]) -> Path:
    """A capture file of frames with the times when they were seen, nanoseconds since the epoch."""
    header = struct.pack("<IHHiIII", NANOSECONDS, 2, 4, 0, 0, 65535, LINKTYPE_ETHERNET)
    records = [struct.pack("<IIII", *divmod(at, 10**9), len(frame), len(frame)) + frame for at, frame in frames]
    path.write_bytes(header + b"".join(records))
    return path


def fields(capture: Path, names: Sequence[str], wanted: str = "frame", *options: str) -> list[list[str]]:
    """These fields of the frames that the filter lets pass; frames are read twice, as in Wireshark."""
    printed = [argument for name in names for argument in ("-e", name)]
    command = ["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", str(capture), "-2", "-Y", wanted, *options]
    result = subprocess.run([*command, "-T", "fields", *printed], text=True, check=True, capture_output=True)
    assert "lua" not in result.stderr.lower(), result.stderr
    return [line.split("\t") for line in result.stdout.splitlines()]
