"""The command line: argparse, in a form that the man page and the completions are made of."""

from __future__ import annotations

import argparse
import os

from rawechoctl.options import OPTIONS
from rawechod.control import location

JSON_MODES = ("short", "pretty", "off")
COMMANDS = {
    "status": "how the daemon and its listeners stand (the default)",
    "stats": "the listeners' counters, each drop under its reason",
    "peers": "whose requests the listeners get, the busiest first",
    "top": "what the listeners do right now, a second, until Ctrl-C",
    "probe": "send echo requests and show what comes back",
    "discover": "who answers on this segment, and through which EtherTypes",
    "arm": "let a loopback return frames, for a time (mode loopback)",
    "disarm": "let loopbacks return nothing any more",
    "survey": "which EtherTypes, VLANs, priorities, sizes and destinations pass to a responder",
    "trace": "each frame that the listeners see, and what became of it",
    "config": "the configuration in force",
    "reload": "read the configuration again; a file with an error changes nothing",
}


class Formatter(argparse.HelpFormatter):
    """Help of a fixed width: asking for the terminal's costs each run the import of shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=78)


class Version(argparse.Action):
    """`--version`; looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and exit."""
        from importlib.metadata import version

        print(f"rawechoctl {version('rawecho')}")
        parser.exit()


def parser(argv: list[str] | None = None) -> argparse.ArgumentParser:
    """The whole command line; with `argv`, as much of it as these arguments need, which is quicker."""
    result = argparse.ArgumentParser(
        prog="rawechoctl",
        description="Control rawechod, the Ethernet echo daemon.",
        epilog="Durations are numbers of seconds, or have a unit: 200ms, 1s, 5m.",
        parents=[_common()],
        formatter_class=Formatter,
    )
    result.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    result.set_defaults(socket=os.environ.get("RAWECHO_SOCKET") or location.find(), json="off", command="status")
    commands = result.add_subparsers(metavar="COMMAND", title="commands", prog=result.prog)
    for name, words in COMMANDS.items():
        if argv is None or name in argv:
            _add_command(commands, name, words)
        else:
            commands.add_parser(name, help=words, add_help=False)
    return result


def _add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: str) -> None:
    description = f"{words[0].upper()}{words[1:]}."
    command = commands.add_parser(
        name, help=words, description=description, parents=[_common()], formatter_class=Formatter
    )
    command.set_defaults(command=name)
    if name in OPTIONS:
        OPTIONS[name](command)


def _common() -> argparse.ArgumentParser:
    """Options that stand before or behind the command. Without defaults, else the one would undo the other."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    words = f"control socket ($RAWECHO_SOCKET, {location.SERVICE_SOCKET}, or that of `rawechod --interface`)"
    common.add_argument("--socket", metavar="PATH", help=words)
    common.add_argument(
        "--json", choices=JSON_MODES, metavar="MODE", help="JSON: short (an object a line), pretty or off"
    )
    common.add_argument("-j", dest="json", action="store_const", const="short", help="the same as --json=short")
    return common


def normalised(argv: list[str]) -> list[str]:
    """Let `--json` stand alone, as `--json=short`; argparse would take the next word for its mode."""
    result: list[str] = []
    words = iter(argv)
    for word in words:
        if word != "--json":
            result.append(word)
            continue
        following = next(words, None)
        result.append(f"--json={following}" if following in JSON_MODES else "--json=short")
        if following is not None and following not in JSON_MODES:
            result.append(following)
    return result
