"""Peer credentials -> allowed or not; unix(7), SO_PEERCRED and SO_PEERGROUPS."""

from __future__ import annotations

import ctypes
import errno
import grp
import os
import pwd
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

SO_PEERGROUPS = 59
OVERFLOW_ID = 65534
"""What foreign user namespaces' ids look like: nobody in particular, so never an operator."""

_UCRED = struct.Struct("=iII")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected, as of connect(2)."""

    pid: int
    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class Operators:
    """Those of `control.operators` that this system knows."""

    names: tuple[str, ...]
    uids: frozenset[int]
    gids: frozenset[int]
    unknown: tuple[str, ...]

    def permits(self, peer: Peer) -> bool:
        """Whether the peer may act."""
        if peer.uid == OVERFLOW_ID:
            return False
        return peer.uid in self.uids or bool(self.gids & (peer.groups - {OVERFLOW_ID}))

    @property
    def refusal(self) -> str:
        """What to tell the others."""
        groups = [name[1:] for name in self.names if name.startswith("@")]
        if groups:
            return (
                f"only operators may do this: join the group {' or '.join(groups)} (as root: usermod -aG "
                f"{groups[0]} USER), then log in again"
            )
        return f"only operators may do this: {', '.join(self.names) or 'there are none'} (control.operators)"


def resolve(names: Iterable[str]) -> Operators:
    """Look users and @groups up; done when the configuration is taken, since a look-up may block.

    Our own user is one of them: the unit's ExecReload= runs as it.
    """
    uids, gids, unknown = {os.getuid()}, set(), []
    for name in names:
        try:
            if name.startswith("@"):
                gids.add(grp.getgrnam(name[1:]).gr_gid)
            else:
                uids.add(pwd.getpwnam(name).pw_uid)
        except (KeyError, ValueError):  # ValueError: no name can have a NUL
            unknown.append(name)
    return Operators(tuple(names), frozenset(uids), frozenset(gids), tuple(unknown))


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(data)
    return Peer(pid, uid, frozenset({gid, *_groups(connection)}))


def _groups(connection: socket.socket) -> list[int]:
    """Python's getsockopt stops at 1024 octets, 256 groups; the kernel allows 65536."""
    room = 256
    while True:
        buffer = (ctypes.c_uint32 * room)()
        size = ctypes.c_uint32(ctypes.sizeof(buffer))
        fd = connection.fileno()
        if not _libc.getsockopt(fd, socket.SOL_SOCKET, SO_PEERGROUPS, buffer, ctypes.byref(size)):
            return list(buffer)[: size.value // 4]
        code = ctypes.get_errno()
        if code in (errno.ENOPROTOOPT, errno.ENODATA):
            return []
        if code != errno.ERANGE:
            raise OSError(code, os.strerror(code))
        room = size.value // 4
