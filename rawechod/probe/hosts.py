"""Names for MACs: `[hosts]` of the configuration, then ethers(5)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rawechod.wire import ethernet

ETHERS = Path("/etc/ethers")


def look_up(name: str, hosts: Mapping[str, bytes]) -> bytes | None:
    """The MAC of a name, None where nobody knows it."""
    return hosts[name] if name in hosts else _ethers().get(name)


def _ethers() -> dict[str, bytes]:
    """The names of /etc/ethers; its faulty lines are passed over, as by the C library."""
    found: dict[str, bytes] = {}
    try:
        lines = ETHERS.read_text(errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) >= 2:
            try:
                found.setdefault(words[1], ethernet.parse_mac(words[0]))
            except ValueError:
                continue
    return found
