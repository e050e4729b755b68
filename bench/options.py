"""The options that measurements share: one name, one meaning."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser(name: str, description: str | None, kept: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """A measurement's, between two ends; `kept` goes into the file of --json."""
    result = argparse.ArgumentParser(prog=f"bench.{name}", description=description, epilog=epilog)
    words = "both ends before all else, where the machine has other work"
    result.add_argument("--realtime", action="store_true", help=words)
    result.add_argument("--json", type=Path, metavar="FILE", help=f"write {kept} here")
    return result


def add_rounds(to: argparse.ArgumentParser, rounds: int, duration: float) -> None:
    """How often and how long: more and shorter rounds where the differences are small."""
    to.add_argument("--rounds", type=int, default=rounds, metavar="N", help="default: %(default)s")
    words = "of each measurement; default: %(default)s"
    to.add_argument("--duration", type=float, default=duration, metavar="S", help=words)
