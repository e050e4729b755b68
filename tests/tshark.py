"""Frames through Wireshark's eyes, with our dissector."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.lab import REPOSITORY

DISSECTOR = REPOSITORY / "packaging/wireshark/rawecho.lua"
LINKTYPE_ETHERNET = 1
NANOSECONDS = 0xA1B23C4D
# Wireshark 4.4 runs no Lua for root.
AS_NOBODY = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


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
    return [
        line.split("\t") for line in _run(capture, "-Y", wanted, *options, "-T", "fields", *printed).splitlines()
    ]


def text(capture: Path) -> str:
    """The details of all frames, as Wireshark shows them to a person."""
    return _run(capture, "-V")


def _run(capture: Path, *options: str) -> str:
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        script, copy = (shutil.copy(each, home) for each in (DISSECTOR, capture))
        for each in (script, copy):
            Path(each).chmod(0o644)
        command = [*AS_NOBODY, "tshark", "-X", f"lua_script:{script}", "-r", copy, "-2", *options]
        environment = {**os.environ, "HOME": home}
        result = subprocess.run(command, env=environment, text=True, check=True, capture_output=True)
    assert result.stderr == "", result.stderr
    return result.stdout
