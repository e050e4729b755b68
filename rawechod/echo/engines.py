"""Which engine answers: the one that is wanted, where it can be had."""

from __future__ import annotations

from typing import NamedTuple

from rawechod.echo.bpf import UnavailableError
from rawechod.echo.counters import Counters
from rawechod.echo.epoll_engine import Duty, EpollEngine
from rawechod.echo.kernel_engine import KernelEngine
from rawechod.errors import InterfaceError
from rawechod.packet.socket import Options
from rawechod.reactor import Reactor

Engine = EpollEngine | KernelEngine


class Kit(NamedTuple):
    """What every engine is made of."""

    reactor: Reactor
    ifindex: int
    options: Options
    duty: Duty
    counters: Counters


def new_engine(wanted: str, kit: Kit) -> tuple[Engine, str]:
    """The engine, and where it is not the wanted one, why; raises InterfaceError, PrivilegeError."""
    if wanted == "epoll":
        return EpollEngine(*kit), ""
    try:
        if kit.duty.policy.loopback_device:
            raise UnavailableError("lo takes no XDP program of ours")
        return KernelEngine(*kit), ""
    except UnavailableError as error:
        # That is what "auto" is for; whoever asked for ebpf by name wants to know.
        problem = str(error) if wanted == "ebpf" else ""
    except InterfaceError as error:
        problem = str(error)
    return EpollEngine(*kit), problem
