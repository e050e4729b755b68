"""What the programs' own help says of their command lines."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.lab import REPOSITORY


def options(program: str, *command: str) -> set[str]:
    """All options that `PROGRAM COMMAND --help` lists, in each of their spellings."""
    arguments = [sys.executable, "-m", program, *command, "--help"]
    text = subprocess.run(arguments, cwd=REPOSITORY, text=True, check=True, stdout=subprocess.PIPE).stdout
    entries = re.findall(r"^  (-.+?)(?:  |$)", text, re.MULTILINE)
    return {spelling.split()[0] for entry in entries for spelling in entry.split(", ")}
