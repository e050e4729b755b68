"""What can be measured: a row is a name, what it is, and how to run it on a host's interface."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Daemon, Host
from tests.peers.build import compile_c

HERE = Path(__file__).resolve().parent
INTERFACE = "eth1"

CONFIG = """
[[echo]]
interface = "{interface}"
ethertype = "{ethertype}"
engine = "{engine}"
rate_limit = 0
peer_rate_limit = 0
"""

Running = AbstractContextManager[int]
"""Runs the responder while its block lasts; gives its process id."""


@dataclass(frozen=True, slots=True)
class Responder:
    """A row of the table."""

    what: str
    run: Callable[[Host, Path], Running]
    """Takes the host and a directory for files."""


@contextlib.contextmanager
def _tutorial_style(host: Host, directory: Path) -> Iterator[int]:
    program = directory / "reflect_server"
    if not program.exists():
        compile_c([HERE / "reflect_server.c"], program)
    with host.popen(str(program), INTERFACE) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def _rawechod(engine: str, ethertype: str) -> Callable[[Host, Path], Running]:
    @contextlib.contextmanager
    def run(host: Host, _directory: Path) -> Iterator[int]:
        config = CONFIG.format(interface=INTERFACE, ethertype=ethertype, engine=engine)
        with contextlib.closing(Daemon(host, config)) as daemon:
            daemon.wait_ready()
            yield daemon.process.pid

    return run


BASELINE = "tutorial-c"
RESPONDERS = {
    BASELINE: Responder("C, epoll_wait + recv + send a frame, ETH_P_ALL, no policy", _tutorial_style),
    "epoll": Responder("rawechod, epoll engine, ETH_P_802_EX1", _rawechod("epoll", "ETH_P_802_EX1")),
    "ebpf": Responder("rawechod, ebpf engine (generic XDP)", _rawechod("ebpf", "ETH_P_802_EX1")),
    "epoll-all": Responder("rawechod, epoll engine, ETH_P_ALL", _rawechod("epoll", "ETH_P_ALL")),
}
DEFAULT = (BASELINE, "epoll", "ebpf")
