"""Exit statuses, and which of the daemon's errors leads to which."""

from __future__ import annotations

from rawechod.control.varlink import Parameters

DONE = 0
NO_REPLY = 1
USAGE = 2
UNREACHABLE = 3
REFUSED = 4
DAEMON_ERROR = 5

MEANINGS = {
    DONE: "done; for probe: at least one reply came, from every target where there are several",
    NO_REPLY: (
        "no reply: to the probe, from one of several targets, to discover; fewer replies than --count within "
        "--deadline; nothing passes a sweep or survey"
    ),
    USAGE: "wrong usage; a bad argument, or none where there are several; output that can't be written",
    UNREACHABLE: "the daemon is not reachable",
    REFUSED: "the daemon refused: no permission",
    DAEMON_ERROR: "the daemon reported an error, or ended in the middle of a probe",
}

_BY_ERROR = {
    "io.rawecho.Control.PermissionDenied": REFUSED,
    "io.rawecho.Control.TooManyConnections": REFUSED,
    "io.rawecho.Control.InvalidRequest": USAGE,
    "io.rawecho.Control.SeveralResponders": USAGE,
    "io.rawecho.Control.ProtocolError": USAGE,  # Arguments that are too long for a call.
    "org.varlink.service.InvalidParameter": USAGE,
}


class Failure(Exception):
    """A command ends with this status; `str()` is the sentence."""

    status: int


class UsageError(Failure):
    """Options that do not go together."""

    status = USAGE


class CutOffError(Failure):
    """The daemon went away in the middle of a probe."""

    status = DAEMON_ERROR


def of_summary(summary: Parameters, enough: int | None) -> int:
    """The exit status for a probe's end. As ping's: with a count and a deadline, fewer replies are a failure."""
    if summary["ended"] == "daemon":
        return DAEMON_ERROR
    return NO_REPLY if summary["received"] < (enough or 1) else DONE


def of_error(name: str) -> int:
    """The exit status for an error's wire name."""
    return _BY_ERROR.get(name, DAEMON_ERROR)
