"""argv -> config -> daemon -> exit status."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import rawechod.lean  # first of all
from rawechod import __version__, config, events, journal, streams
from rawechod.config import DEFAULT_PATH, Config
from rawechod.config_problems import ConfigError
from rawechod.control import location
from rawechod.daemon import Daemon
from rawechod.errors import ControlSocketError, PrivilegeError, RawechoError
from rawechod.wire.ethernet import ETHERTYPES

rawechod.lean.end()

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_NO_PRIVILEGE = 77
"""EX_NOPERM of sysexits(3): systemd does not try again."""
EXIT_CONFIG = 78
"""EX_CONFIG of sysexits(3): systemd does not try again."""


EXIT_STATUSES = {
    EXIT_OK: "ended by SIGTERM or SIGINT; --check-config: the file is right",
    EXIT_FAILURE: "something else is wrong, for instance another rawechod has the control socket",
    2: "wrong usage",
    EXIT_NO_PRIVILEGE: "the kernel refuses a raw socket: no CAP_NET_RAW",
    EXIT_CONFIG: "the configuration is wrong",
}


def parser() -> argparse.ArgumentParser:
    """The command line; the man page is made of it."""
    result = argparse.ArgumentParser(
        prog="rawechod", description="Answer echo requests on raw Ethernet, and probe others."
    )
    result.add_argument("--config", metavar="FILE", default=DEFAULT_PATH, help="configuration (%(default)s)")
    service = location.SERVICE_SOCKET
    words = f"control socket ({service}; with --interface one that rawechoctl of the same user finds)"
    result.add_argument("--control", metavar="PATH", help=words)
    result.add_argument(
        "--check-config",
        metavar="FILE",
        nargs="?",
        const="",
        help="check a configuration, say what is wrong with it, and exit with 0 or 78",
    )
    result.add_argument("--interface", metavar="NAME", help="answer on this interface, without any file")
    result.add_argument(
        "--ethertype", choices=ETHERTYPES, help="with --interface: which frames to listen to (ETH_P_ALL)"
    )
    result.add_argument("--version", action="version", version=f"rawechod {__version__}")
    return result


def main() -> int:
    """Run the daemon; the exit status is 0, 1, 77 or 78."""
    streams.stand_in()
    arguments = parser().parse_args()
    if arguments.ethertype and arguments.interface is None:
        parser().error("--ethertype goes with --interface")
    try:
        if arguments.check_config is not None:
            return _check(arguments.check_config or arguments.config)
        return _serve(arguments)
    except KeyboardInterrupt:  # Before the loop looks after it.
        return 128 + signal.SIGINT
    except RawechoError as error:
        _tell(error)
        return _exit_status(error)
    finally:
        journal.close()


def _tell(error: RawechoError) -> None:
    if journal.stderr_is_journal():
        journal.start()
        journal.emit(events.NOT_STARTED, problem=str(error))
    else:
        _print(str(error), sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    with contextlib.suppress(OSError):  # The exit status says it, too.
        print(streams.printable_lines(text), file=stream, flush=True)


def _serve(arguments: argparse.Namespace) -> int:
    faulthandler.enable()
    settings, source = _configuration(arguments)
    with _control_path(arguments) as path:
        Daemon(settings, source, path, reloadable=arguments.interface is None).run()
    return EXIT_OK


@contextlib.contextmanager
def _control_path(arguments: argparse.Namespace) -> Iterator[str]:
    """Where the control socket is to be; raises ControlSocketError."""
    if arguments.control or arguments.interface is None:
        yield arguments.control or location.SERVICE_SOCKET
        return
    try:
        yield location.make_own_directory()
    except OSError as error:
        raise ControlSocketError(f"control socket in {location.own_directory()}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            Path(location.own_directory()).rmdir()


def _configuration(arguments: argparse.Namespace) -> tuple[Config, str]:
    if arguments.interface is None:
        return config.load(arguments.config), arguments.config
    table = {"interface": arguments.interface, "ethertype": arguments.ethertype or "ETH_P_ALL"}
    return config.parse({"echo": [table]}, "--interface"), "--interface"


def _check(path: str) -> int:
    settings = config.load(path)
    _print(f"{path}: valid, {len(settings.echo)} listener{'' if len(settings.echo) == 1 else 's'}", sys.stdout)
    return EXIT_OK


def _exit_status(error: RawechoError) -> int:
    statuses = {ConfigError: EXIT_CONFIG, PrivilegeError: EXIT_NO_PRIVILEGE}
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), EXIT_FAILURE)


if __name__ == "__main__":
    sys.exit(main())
