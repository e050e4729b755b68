"""The command line: argparse, in a form that the man page and the completions are made of."""

from __future__ import annotations

import argparse
import os

from rawechod.control.varlink import DEFAULT_SOCKET

JSON_MODES = ("short", "pretty", "off")
COMMANDS = {
    "status": "how the daemon and its listeners stand (the default)",
    "stats": "the listeners' counters, each drop under its reason",
    "top": "what the listeners do right now, a second, until Ctrl-C",
    "probe": "send echo requests and show what comes back",
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
    result.set_defaults(socket=os.environ.get("RAWECHO_SOCKET") or DEFAULT_SOCKET, json="off", command="status")
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
    if name == "probe":
        _add_probe_options(command)
    if name == "top":
        command.add_argument(
            "-i", "--interval", default="1s", metavar="TIME", help="between two looks; default: 1s"
        )
        command.add_argument("-c", "--count", type=_whole, metavar="N", help="looks; default: until Ctrl-C")


def _common() -> argparse.ArgumentParser:
    """Options that stand before or behind the command. Without defaults, else the one would undo the other."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--socket", metavar="PATH", help=f"control socket ($RAWECHO_SOCKET, {DEFAULT_SOCKET})")
    common.add_argument(
        "--json", choices=JSON_MODES, metavar="MODE", help="JSON: short (an object a line), pretty or off"
    )
    common.add_argument("-j", dest="json", action="store_const", const="short", help="the same as --json=short")
    return common


def _add_probe_options(probe: argparse.ArgumentParser) -> None:
    add = probe.add_argument
    add("target", nargs="?", metavar="TARGET", help="a MAC, a name, broadcast or pae-group; default: who answers")
    add("--target", dest="target_option", metavar="TARGET", help="the same")
    add("-c", "--count", type=_whole, metavar="N", help="requests, 0 = until interrupted")
    add("-i", "--interval", metavar="TIME", help="between two requests")
    add("-I", "--interface", metavar="NAME", help="where to probe from")
    add("-s", "--size", type=_whole, metavar="N", help="octets on the wire without FCS and VLAN tag")
    add("-W", "--timeout", metavar="TIME", help="after that a reply is late and its request lost")
    add("-w", "--deadline", metavar="TIME", help="end the probe after this time")
    add("--duration", metavar="TIME", help="probe for this time, however many requests that takes")
    add("--rate", type=_rate, metavar="N", help="requests a second, instead of an interval")
    add("-f", "--flood", action="store_true", help="as fast as answers come, 64 requests ahead; needs a target")
    add("--until-reply", action="store_true", help="end with the first reply")
    add("--vlan", metavar="VID", help="with a VLAN tag; OUTER.INNER for two")
    add("--pcp", type=_whole, metavar="N", help="priority in the tag, 0 to 7")
    add("--pattern", metavar="P", help="payload: counting, zero, ff, random or hex:DIGITS")
    add("-q", "--quiet", action="store_true", help="show the summary alone, and what --report-every tells")
    add("--report-every", metavar="TIME", help="tell this often how it went since the last time")
    add("--live", action="store_true", help="on a terminal: a chart, percentiles and loss as they come")
    add("--csv", metavar="FILE", help="write a row for each reply and each loss; - is the standard output")
    add("--report", metavar="FILE", help="write a page about the run: HTML in one file")
    add("--ethertype", metavar="TYPE", help="ETH_P_802_EX1, ETH_P_PAE or a number such as 0x88B6")
    add("--hello", action="store_true", help="the tutorial's client: say hello, count HELLOs (on lo)")


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


def _rate(text: str) -> str:
    """The interval, as a duration."""
    rate = _whole(text)
    if not rate:
        raise argparse.ArgumentTypeError("at least one request a second")
    return f"{1_000_000_000 // rate}ns"


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)
