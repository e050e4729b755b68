"""argv -> one call -> text or JSON -> exit status."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

from rawechoctl import cli, exits
from rawechoctl.client import Client, UnreachableError
from rawechoctl.output import Output
from rawechod.control.varlink import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run one command and exit; the exit statuses are in `exits`."""
    status = run()
    try:
        sys.stdout.flush()
    finally:
        # Taking the interpreter down in good order would cost `status` a seventh of its time.
        os._exit(status)


def run() -> int:
    """Run one command; its exit status."""
    # As any filter: a reader that goes away ends us without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.stderr is None:  # Closed: what is for it would go among the results.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    try:
        argv = cli.normalised(sys.argv[1:])
        arguments = cli.parser(argv).parse_args(argv)
        command = import_module(f"rawechoctl.commands.{arguments.command}")
        status: int = command.run(Client(arguments.socket), arguments, Output(arguments.json))
    except exits.Failure as error:
        return _failed(str(error), error.status)
    except UnreachableError as error:
        return _failed(str(error), exits.UNREACHABLE)
    except CallError as error:
        return _failed(_sentence(error), exits.of_error(error.name))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        return _failed(_puzzle(error), exits.UNREACHABLE)
    except OSError as error:
        return _failed(f"can't write the output: {error.strerror}", exits.USAGE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as done:  # argparse's
        return int(done.code or 0)
    return status


def _failed(sentence: str, status: int) -> int:
    print(f"rawechoctl: {sentence}", file=sys.stderr, flush=True)
    return status


def _puzzle(error: Exception) -> str:
    """A reply that has not what the contract says; for whoever mends it, where we stumbled."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    at = f", {place.tb_frame.f_globals['__name__']}:{place.tb_lineno}" if place else ""
    what = f"{type(error).__name__}: {error}{at}"
    return f"can't make sense of what was answered ({what}): is rawechod of another version?"


def _sentence(error: CallError) -> str:
    """What the daemon's error says, for a person."""
    parameters = error.parameters
    if "macs" in parameters:
        more = "\n  and more" if parameters.get("more") else ""
        return "several responders answer, name one as the target:\n  " + "\n  ".join(parameters["macs"]) + more
    if "problems" in parameters:
        return "old configuration kept:\n  " + "\n  ".join(parameters["problems"])
    reason = parameters.get("reason")
    name = error.name.rpartition(".")[2]
    if not reason:
        details = ", ".join(f"{key}={value}" for key, value in parameters.items())
        return f"the daemon says {name}" + (f" ({details})" if details else "")
    about = parameters.get("parameter")
    return f"{about}: {reason}" if about else str(reason)


if __name__ == "__main__":
    main()
