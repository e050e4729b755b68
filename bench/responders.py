"""What can be measured: a row is a name, what it is, and how to run it on a host's interface."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Place
from tests.lab import MAC_A, Daemon, Host
from tests.peers.build import compile_c

HERE = Path(__file__).resolve().parent
INTERFACE = "eth1"
ICMP_OWN, ICMP_PEER = "198.18.0.1", "198.18.0.2"
"""Of the range that RFC 2544 sets aside for benchmarks; the generator asks the address after its own."""
MOST = 100_000_000
"""Frames a second: limits that are kept and never reached, so that they work and don't look like loss."""
DEBIAN_PYTHON = "/usr/bin/python3"

CONFIG = """
[[echo]]
interface = "{interface}"
ethertype = "{ethertype}"
engine = "{engine}"
tap = "{tap}"
rate_limit = {limit}
peer_rate_limit = {limit}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a responder is to run."""

    host: Host
    directory: Path
    """For files."""
    kind: str
    """Of frames: `plain`, `vlan` or `pae`."""
    place: Place


Running = AbstractContextManager[int | None]
"""Runs the responder while its block lasts; gives its process id, None for the kernel."""


@dataclass(frozen=True, slots=True)
class Responder:
    """A row of the table."""

    what: str
    run: Callable[[Site], Running]
    missing: Callable[[], str] = lambda: ""
    """What to install where it can't be run; empty where it can."""
    icmp: bool = False
    """Answers ICMP instead of the Echo PDU."""
    asked_from_every_core: bool = False
    """By a generator on its own core, too."""


def config(engine: str, kind: str = "plain", tap: str = "auto", interface: str = INTERFACE) -> str:
    """One listener for frames of this kind."""
    return CONFIG.format(
        interface=interface,
        ethertype="ETH_P_PAE" if kind == "pae" else "ETH_P_802_EX1",
        engine=engine,
        tap="all" if kind == "vlan" else tap,
        limit=MOST,
    )


@contextlib.contextmanager
def rawechod(site: Site, engine: str, text: str, environment: dict[str, str] | None = None) -> Iterator[Daemon]:
    """A daemon with this configuration, on its core, whose first listener has this engine."""
    with contextlib.closing(Daemon(site.host, text, environment=environment)) as daemon:
        daemon.wait_ready()
        listener = daemon.listener()
        if not listener["engine"].startswith(engine):
            raise SystemExit(f"bench: no {engine} engine here: {'; '.join(listener['notes']) or listener}")
        yield daemon


def _engine(engine: str, more: str = "") -> Callable[[Site], AbstractContextManager[int]]:
    @contextlib.contextmanager
    def run(site: Site) -> Iterator[int]:
        with rawechod(site, engine, config(engine, site.kind) + more) as daemon:
            yield daemon.process.pid

    return run


@contextlib.contextmanager
def _steered(site: Site) -> Iterator[int]:
    """As behind a NIC whose interrupts another core serves: on veth the sender's core does it all otherwise."""
    mask = 1 << (site.place.core or 0)
    steering = f"echo {mask:x} > /sys/class/net/{INTERFACE}/queues/rx-0/rps_cpus"
    site.host.run("sh", "-c", steering)
    with _engine("ebpf")(site) as pid:
        yield pid


@contextlib.contextmanager
def _interpreted(site: Site) -> Iterator[int]:
    """As installed by somebody without a C compiler: a copy of the package without the compiled part."""
    copy = site.directory / "interpreted"
    if not copy.exists():
        skip = shutil.ignore_patterns("_batch*", "__pycache__")
        shutil.copytree(HERE.parent / "rawechod", copy / "rawechod", ignore=skip)
    elsewhere = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(copy)}
    with rawechod(site, "epoll", config("epoll", site.kind), elsewhere) as daemon:
        yield daemon.process.pid


@contextlib.contextmanager
def _tutorial_style(site: Site) -> Iterator[int]:
    program = site.directory / "reflect_server"
    if not program.exists():
        compile_c([HERE / "reflect_server.c"], program)
    with _process(site, str(program), INTERFACE) as pid:
        yield pid


@contextlib.contextmanager
def _testpmd(site: Site) -> Iterator[int]:
    core = "" if site.place.core is None else f"@{site.place.core}"
    eal = ["--lcores", f"0{core},1{core}", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf"]
    forward = ["--forward-mode=macswap", "--auto-start", "--total-num-mbufs=8192", "--no-lsc-interrupt"]
    with _process(site, "dpdk-testpmd", *eal, f"--vdev=net_af_packet0,iface={INTERFACE}", "--", *forward) as pid:
        yield pid


@contextlib.contextmanager
def _scapy(site: Site) -> Iterator[int]:
    with _process(site, DEBIAN_PYTHON, str(HERE / "scapy_server.py"), INTERFACE) as pid:
        yield pid


@contextlib.contextmanager
def _kernel_icmp(site: Site) -> Iterator[None]:
    site.host.ip("address", "add", f"{ICMP_PEER}/24", "dev", INTERFACE)
    site.host.ip("neighbour", "add", ICMP_OWN, "lladdr", MAC_A, "dev", INTERFACE)
    yield None


@contextlib.contextmanager
def _process(site: Site, *command: str) -> Iterator[int]:
    # What it says goes to a file; it must not read our terminal.
    with (site.directory / f"{Path(command[0]).name}.log").open("w") as log:
        process = site.host.popen(*command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


def _no_testpmd() -> str:
    return "" if shutil.which("dpdk-testpmd") else "apt-get install dpdk-dev"


def _no_scapy() -> str:
    found = subprocess.run([DEBIAN_PYTHON, "-c", "import scapy"], check=False, capture_output=True)
    return "apt-get install python3-scapy" if found.returncode else ""


BASELINE = "tutorial-c"
RESPONDERS = {
    BASELINE: Responder("C, epoll_wait + recv + send a frame, ETH_P_ALL, no policy", _tutorial_style),
    "epoll": Responder("rawechod, epoll engine, compiled fast path", _engine("epoll")),
    "epoll-spin": Responder(
        'rawechod, epoll engine, compiled fast path, spin = "200us"', _engine("epoll", 'spin = "200us"\n')
    ),
    "epoll-python": Responder("rawechod, epoll engine, as installed without a C compiler", _interpreted),
    "ebpf": Responder("rawechod, ebpf engine", _engine("ebpf")),
    "ebpf-both": Responder(
        "rawechod, ebpf engine, a generator on each core: the program needs none of its own",
        _engine("ebpf"),
        asked_from_every_core=True,
    ),
    "ebpf-rps": Responder("rawechod, ebpf engine, receive work steered to the responder's core (RPS)", _steered),
    "testpmd": Responder("DPDK testpmd, macswap on net_af_packet, no policy, spins", _testpmd, _no_testpmd),
    "testpmd-both": Responder(
        "DPDK testpmd, a generator on each core", _testpmd, _no_testpmd, asked_from_every_core=True
    ),
    "scapy": Responder("Scapy, sniff + send, no policy", _scapy, _no_scapy),
    "kernel-icmp": Responder("the kernel's answers to ping (ICMP echo, IPv4)", _kernel_icmp, icmp=True),
}
