"""The shells' completions: packaging/completions, with the programs' command lines in place of `@...@`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cmdline
from cmdline import Option

HERE = Path(__file__).resolve().parent / "completions"


def script(shell: str) -> str:
    """The completions of both programs for bash, zsh or fish."""

    def block(place: re.Match[str]) -> str:
        return BLOCKS[f"{shell} {place[1]}"]()

    template = (HERE / f"{shell}.in").read_text().replace("@TARGETS@", " ".join(cmdline.TARGETS))
    return re.sub(r"@(\w+)@", block, template)


def _bash_values() -> Iterator[str]:
    """What completes the value of an option."""
    for program, command, option in cmdline.everything():
        if option.names and option.value:
            place = f"{program} {command}" if command else f'{program} "*"'
            places = " | ".join(f'"{place} {name}"' for name in option.names)
            yield f"        {places}) _rawecho_value {cmdline.kind(program, option)}; return ;;"


def _bash_words() -> Iterator[str]:
    """What completes any other word."""
    for program in cmdline.PARSERS:
        common = _names(cmdline.options(program))
        for command in cmdline.commands() if program == "rawechoctl" else ():
            own = cmdline.options(program, command)
            yield f'        "{program} {command} -"*) _rawecho_reply {common} {_names(own)} ;;'
            for argument in (option for option in own if not option.names):
                yield f'        "{program} {command} "*) _rawecho_value {cmdline.kind(program, argument)} ;;'
        yield f'        "{program}  -"*) _rawecho_reply {common} ;;'
    yield f'        "rawechoctl  "*) _rawecho_reply {" ".join(cmdline.commands())} ;;'


def _zsh_commands() -> Iterator[str]:
    for name, words in cmdline.commands().items():
        yield f"        {_quoted(f'{name}:{words}')}"


def _zsh_command_options() -> Iterator[str]:
    for name in cmdline.commands():
        if own := cmdline.options("rawechoctl", name):
            yield f"        argument:{name}) _arguments -s -S $common \\"
            yield from (f"            {_zsh_option('rawechoctl', option)} \\" for option in own)
            yield "            && ret=0 ;;"


def _zsh_options(program: str) -> list[str]:
    return [f"        {_zsh_option(program, option)}" for option in cmdline.options(program)]


def _zsh_option(program: str, option: Option) -> str:
    value = f":{option.value}:{_zsh_action(cmdline.kind(program, option))}" if option.value else ""
    value = f"*{value}" if option.repeated else f":{value}" if option.optional else value
    if not option.names:
        return _quoted(value)
    long, short = ("=", "+") if value else ("", "")
    names = [name + (long if name.startswith("--") else short) for name in option.names]
    text = _quoted("[" + re.sub(r"([][:])", r"\\\1", option.help) + "]" + value)
    return f"'({option.spelled})'{{{','.join(names)}}}{text}" if len(names) > 1 else f"{names[0]}{text}"


def _zsh_action(kind: str) -> str:
    if kind in cmdline.KINDS:
        return {"nothing": " ", "file": "_files"}.get(kind, f"_rawecho_{kind}s")
    return f"({kind})"


def _fish_lines() -> Iterator[str]:
    for program in cmdline.PARSERS:
        yield f"complete -c {program} -f"
    none = f"not __fish_seen_subcommand_from {' '.join(cmdline.commands())}"
    for name, words in cmdline.commands().items():
        yield f"complete -c rawechoctl -n '{none}' -a {name} -d {_quoted(words)}"
    for program, command, option in cmdline.everything():
        where = f" -n '__fish_seen_subcommand_from {command}'" if command else ""
        yield f"complete -c {program}{where}{_fish_option(program, option)} -d {_quoted(option.help)}"


def _fish_option(program: str, option: Option) -> str:
    names = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names)
    if not option.value:
        return names
    kind = cmdline.kind(program, option)
    if kind == "file":
        return f"{names} -r -F"
    words = "" if kind == "nothing" else f"(__rawecho_{kind}s)" if kind in cmdline.KINDS else kind
    return f"{names} -x -a '{words}'" if names else f" -a '{words}'"


def _names(options: Iterable[Option]) -> str:
    return " ".join(option.spelled for option in options if option.names)


def _quoted(text: str) -> str:
    """Literal in all three shells: a quote stands outside the quotes, behind a backslash."""
    return "'" + text.replace("'", "'\\''") + "'"


BLOCKS: dict[str, Callable[[], str]] = {
    "bash VALUES": lambda: "\n".join(_bash_values()),
    "bash WORDS": lambda: "\n".join(_bash_words()),
    "bash COMMANDS": lambda: " | ".join(f"rawechoctl:{name}" for name in cmdline.commands()),
    "zsh COMMANDS": lambda: "\n".join(_zsh_commands()),
    "zsh COMMON": lambda: "\n".join(_zsh_options("rawechoctl")),
    "zsh COMMAND_OPTIONS": lambda: "\n".join(_zsh_command_options()),
    "zsh DAEMON": lambda: " \\\n".join(_zsh_options("rawechod")),
    "fish LINES": lambda: "\n".join(_fish_lines()),
}
