"""The errors that rawechod raises on purpose. Our own faults are none of these: they stay Python's exceptions."""

from __future__ import annotations


class RawechoError(Exception):
    """Everything that rawechod raises on purpose; `str()` is a sentence for a person."""


class OutsideError(RawechoError):
    """The outside world's fault: a frame, a file, a caller, the kernel or the administrator."""


class PrivilegeError(OutsideError):
    """The kernel refused a raw socket."""


class InterfaceError(OutsideError):
    """An interface is missing, down or unfit for what was asked of it."""


class StampError(OutsideError):
    """An interface's hardware time stamps can't be had."""


class ControlSocketError(OutsideError):
    """The control socket can't be had."""


class RequestError(OutsideError):
    """A caller asked for something that can't be done.

    `parameter` names the offending argument, or is empty where no single one is to blame.
    """

    def __init__(self, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter
