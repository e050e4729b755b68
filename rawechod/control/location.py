"""Where the control socket is, and whom to trust who listens there. Shared with rawechoctl."""

from __future__ import annotations

import os
import stat

SERVICE_SOCKET = "/run/rawecho/control.sock"
"""The installed service's; its directory is made by systemd."""
SERVICE_USER = "_rawecho"
_NAME = "control.sock"


def own_directory() -> str:
    """Where a daemon that is started by hand has its socket: a place that nobody else can have taken."""
    user = os.geteuid()
    if not user:
        return "/run/rawecho-root"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and _is_ours(runtime):
        return f"{runtime}/rawecho"
    return f"/tmp/rawecho-{user}"


def make_own_directory() -> str:
    """Make that, for us alone: the socket's path; raises OSError where somebody else has it."""
    path = own_directory()
    try:
        os.mkdir(path, 0o700)  # noqa: PTH102, who imports pathlib waits for it
    except FileExistsError:
        if not _is_ours(path):
            raise
    return f"{path}/{_NAME}"


def find() -> str:
    """The socket of the service, or where there is none of a daemon that we have started by hand."""
    path = f"{own_directory()}/{_NAME}"
    return path if os.path.exists(path) and not os.path.exists(SERVICE_SOCKET) else SERVICE_SOCKET  # noqa: PTH110


def is_trusted(uid: int) -> bool:
    """Whether what this user's process answers may be believed, and whether it may be told anything."""
    if uid in (0, os.geteuid()):
        return True
    import pwd

    try:
        return uid == pwd.getpwnam(SERVICE_USER).pw_uid
    except KeyError:
        return False


def _is_ours(path: str) -> bool:
    """A directory, no link to one, which others can't change."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
