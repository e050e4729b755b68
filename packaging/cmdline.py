"""The programs' command lines, read off their parsers, for the man pages and the completions."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from rawechoctl import cli
from rawechod import __main__ as daemon
from rawechod.wire import ethernet

PARSERS = {"rawechod": daemon.parser, "rawechoctl": cli.parser}
PROBE_ETHERTYPES = [name for name in ethernet.ETHERTYPES if name != "ETH_P_ALL"]
TARGETS = list(ethernet.GROUPS)
KINDS = ("file", "device", "interface", "target", "nothing")
"""What else than fixed words can complete a value."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option, or an argument, which has no names."""

    names: tuple[str, ...]
    value: str
    """What its value is called; empty where it takes none."""
    optional: bool
    """Whether the value may be left out."""
    repeated: bool
    """Whether there may be several."""
    choices: tuple[str, ...]
    named: bool
    """Whether the choices go by the value's name."""
    help: str

    @property
    def spelled(self) -> str:
        """All names."""
        return " ".join(self.names)


def options(program: str, command: str = "") -> list[Option]:
    """What a program takes, or what its command takes beside that."""
    parser = PARSERS[program]()
    common = {action.dest for action in parser._actions} if command else set()
    if command:
        parser = _subparsers(parser).choices[command]
    return [
        _option(parser, action)
        for action in parser._actions
        if action.dest not in common and not isinstance(action, argparse._SubParsersAction)
    ]


def commands() -> dict[str, str]:
    """rawechoctl's commands and what they do."""
    return {choice.dest: choice.help or "" for choice in _subparsers(cli.parser())._choices_actions}


def everything() -> Iterator[tuple[str, str, Option]]:
    """Each option with its program and its command; the command is empty where any will do."""
    for program in PARSERS:
        for command in ("", *(commands() if program == "rawechoctl" else ())):
            for option in options(program, command):
                yield program, command, option


def kind(program: str, option: Option) -> str:
    """What completes the value: one of KINDS, or the words themselves."""
    if option.choices or option.value == "TYPE":
        return " ".join(option.choices or PROBE_ETHERTYPES)
    if option.value == "NAME":
        return "device" if program == "rawechod" else "interface"
    return {"FILE": "file", "PATH": "file", "TARGET": "target"}.get(option.value, "nothing")


def _subparsers(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    return next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    return Option(
        names=tuple(action.option_strings),
        value="" if action.nargs == 0 else str(action.metavar or action.dest.upper()),
        optional=action.nargs in ("?", "*"),
        repeated=action.nargs == "*",
        choices=tuple(map(str, action.choices or ())),
        named=action.metavar is not None,
        help=parser._get_formatter()._expand_help(action),
    )
