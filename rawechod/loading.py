"""A configuration with the operators that it names, loaded in a process of its own; it prints both as JSON.

A file may be on a file system that hangs, users in a directory that does not answer, and what a parser makes of
some other file than ours may take any amount of time: whoever serves frames meanwhile reads what this prints.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import rawechod.lean  # first of all
from rawechod import config
from rawechod.config import Config
from rawechod.config_problems import ConfigError, Problem
from rawechod.control.authorize import Operators, resolve


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that can be put in force."""

    config: Config
    operators: Operators


def main(path: str) -> None:
    """Print what is in a file, or what is wrong with it."""
    try:
        found = config.load(path)
        operators = asdict(resolve(found.control.operators))
        result: dict[str, Any] = {"config": config.given(found), "operators": operators}
    except ConfigError as error:
        result = {"problems": [asdict(problem) for problem in error.problems]}
    json.dump(result, sys.stdout, default=list)


def loaded(output: bytes, path: str) -> Loaded:
    """What `main` printed; raises ConfigError for a file that is wrong, ValueError for anything else."""
    result = json.loads(output)
    if "problems" in result:
        raise ConfigError(path, [Problem(**problem) for problem in result["problems"]])
    found = result["operators"]
    operators = Operators(
        tuple(found["names"]), frozenset(found["uids"]), frozenset(found["gids"]), tuple(found["unknown"])
    )
    return Loaded(config.parse(result["config"], path), operators)


if __name__ == "__main__":
    rawechod.lean.end()
    main(sys.argv[1])
