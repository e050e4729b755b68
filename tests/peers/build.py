"""Compile C programs into a directory of the caller's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from rawechod.echo import constants

HERE = Path(__file__).resolve().parent
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")


SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_c(sources: Iterable[Path], program: Path, flags: Iterable[str] = ()) -> Path:
    """Compile and link `sources` into `program`; what gcc says goes to stderr."""
    command = ["gcc", *FLAGS, *flags, "-o", str(program), *map(str, sources), "-lm"]
    subprocess.run(command, check=True)
    return program


def sanitized(name: str, directory: Path) -> Path:
    """A program that reaches into the C parts, under ASan and UBSan."""
    (directory / "constants.h").write_text(constants.header())
    return compile_c([HERE / f"{name}.c"], directory / name, [*SANITIZED, f"-I{directory}"])


def tutorial(name: str, directory: Path) -> Path:
    """The tutorial's "server" or "client", compiled into `directory`."""
    sources = (HERE / f"tutorial_{name}.c", HERE / "tutorial.c")
    return compile_c(sources, directory / f"tutorial_{name}")
