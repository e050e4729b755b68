"""Root's privileges, given up but for those that frames need; capabilities(7), prctl(2)."""

from __future__ import annotations

import ctypes
import os
import pwd
import struct
from dataclasses import dataclass
from pathlib import Path

NET_ADMIN, NET_RAW, BPF = 12, 13, 39
NEEDED = 1 << NET_RAW | 1 << NET_ADMIN | 1 << BPF
"""Raw sockets; the kernel engine's program and the NIC's time stamps: what the unit has with its drop-in."""
NAMES = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
]
_PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 8, 24, 38
_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Privileges:
    """What this process may do."""

    uid: int
    capabilities: list[str]
    no_new_privileges: bool


def drop(user: str) -> None:
    """Keep what is needed of what there is, and become that user, where we are root and it is there.

    To be called before there are threads: each has capabilities of its own. Raises OSError.
    """
    kept = _effective() & NEEDED
    for number in range(64):
        if not kept >> number & 1:
            # Refused where there is no such capability, or where we may not: then it is not ours to lose.
            _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)
    if not os.geteuid() and (account := _account(user)):
        _prctl(_PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(*[account.pw_gid] * 3)
        os.setresuid(*[account.pw_uid] * 3)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header, data = struct.pack("=Ii", _VERSION_3, 0), struct.pack("=6I", low, low, 0, high, high, 0)
    if _libc.capset(header, data):
        _fail()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def present() -> Privileges:
    """As the kernel has them."""
    fields = _status()
    effective = int(fields["CapEff"], 16)
    names = [name for number, name in enumerate(NAMES) if effective >> number & 1]
    return Privileges(os.geteuid(), names, fields.get("NoNewPrivs") == "1")


def _effective() -> int:
    return int(_status()["CapEff"], 16)


def _status() -> dict[str, str]:
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _account(user: str) -> pwd.struct_passwd | None:
    """None where there is no such user, or where it can't read our own program, which may be in root's home."""
    ours = Path(__file__).resolve()
    if not all(place.stat().st_mode & 0o001 for place in ours.parents) or not ours.stat().st_mode & 0o004:
        return None
    try:
        return pwd.getpwnam(user)
    except KeyError:
        return None


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        _fail()


def _fail() -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))
