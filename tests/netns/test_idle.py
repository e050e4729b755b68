"""A daemon that has nothing to do does nothing, whatever happened before: no busy loop, no wake-up at all."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, wait_for
from tests.netns.client import Probing, connect, stopped
from tests.netns.conftest import Responder, table
from tests.netns.frames import PAE, ZERO, Tag, eapol, header, request
from tests.netns.port import Port
from tests.netns.test_link import wait_state
from tests.peers import build

NOBODY = "02:00:00:00:00:77"
Idle = Callable[[Daemon], None]


def effort(ours: Daemon) -> tuple[list[int], list[int]]:
    """CPU nanoseconds and voluntary context switches so far, of each of its threads."""
    tasks = sorted(Path(f"/proc/{ours.process.pid}/task").iterdir())
    statuses = [(task / "status").read_text().splitlines() for task in tasks]
    switches = [int(line.split()[1]) for lines in statuses for line in lines if line.startswith("voluntary")]
    return [int((task / "schedstat").read_text().split()[0]) for task in tasks], switches


@pytest.fixture(scope="module")
def elsewhere(root: None) -> Iterator[Daemon]:
    """A daemon far from those under test."""
    with contextlib.ExitStack() as stack:
        host = Host("elsewhere")
        stack.callback(host.close)
        made = Daemon(host, table("lo"))
        stack.callback(made.close)
        made.wait_ready()
        yield made


@pytest.fixture
def idle(elsewhere: Daemon) -> Idle:
    """Assert that a daemon does nothing while another one sends and hears fifty frames."""

    def does_nothing(ours: Daemon) -> bool:
        before = effort(ours)
        assert elsewhere.probe("-q", "-c", "25", "-i", "5ms")["received"] == 25
        return effort(ours) == before

    def rests(ours: Daemon) -> None:
        # Again and again, because the last thing that was asked of it may still be under way.
        wait_for(lambda: does_nothing(ours), "a daemon at rest")

    return rests


@pytest.mark.parametrize("end", [0, 1], ids=["far", "own"])
def test_link_down(two_hosts: tuple[Host, Host], responder: Responder, idle: Idle, end: int) -> None:
    """After it was down, and after it was up again."""
    ours = responder()
    for state in ("down", "up"):
        two_hosts[end].ip("link", "set", "eth1", state)
        wait_state(ours, state)
        idle(ours)


def test_link_gone(two_hosts: tuple[Host, Host], lone_host: Host, responder: Responder, idle: Idle) -> None:
    """Renamed, moved to another namespace, and deleted."""
    b = two_hosts[1]
    ours = responder(ethertype="ETH_P_PAE")
    b.ip("link", "set", "eth1", "name", "other")
    wait_state(ours, "absent")
    idle(ours)
    b.ip("link", "set", "other", "name", "eth1")
    b.ip("link", "set", "eth1", "netns", lone_host.name)
    wait_state(ours, "absent")
    idle(ours)
    lone_host.ip("link", "set", "eth1", "netns", b.name)
    b.ip("link", "set", "eth1", "up")
    wait_state(ours, "up")
    b.ip("link", "del", "eth1")
    wait_state(ours, "absent")
    idle(ours)


def test_bridge_port(two_hosts: tuple[Host, Host], responder: Responder, idle: Idle) -> None:
    """As a port, and on the bridge's own account."""
    b = two_hosts[1]
    ours = responder(ethertype="ETH_P_802_EX1")
    b.ip("link", "add", "br0", "type", "bridge")
    b.ip("link", "set", "eth1", "master", "br0")
    wait_for(lambda: ours.listener()["tap"] == "all", "the tap on everything")
    idle(ours)


def test_after_frames_of_all_kinds(responder: Responder, near: Port, idle: Idle) -> None:
    """Answered, dropped and refused ones."""
    ours = responder(ethertype="ETH_P_PAE", tap="all", rate_limit=1)
    near.send(*[request(ethertype=PAE, tags=(Tag(5),), size=1514) for _ in range(300)])
    near.send(header(ethertype=PAE) + eapol(b"", kind=1).ljust(46))
    wait_for(lambda: ours.listener()["received"] == 301, "all frames counted")
    idle(ours)


@pytest.mark.parametrize(("interface", "mtu"), [("lo", 65536), ("eth1", 9000), ("eth1", 1500)])
def test_after_a_flood(
    two_hosts: tuple[Host, Host], daemon: StartDaemon, idle: Idle, tmp_path: Path, interface: str, mtu: int
) -> None:
    """More than the ring holds, while nobody looks and while the daemon does: then it answers, and rests."""
    a, b = two_hosts
    for host in two_hosts:
        host.ip("link", "set", interface, "mtu", str(mtu))
    ours = daemon(b, table(interface, rate_limit=0, peer_rate_limit=0))
    target, source, near = (ZERO, ZERO, b) if interface == "lo" else (MAC_B, MAC_A, a)
    flood = build.compile_c([build.HERE / "flood.c"], tmp_path / "flood")
    many = (str(flood), interface, "200000", request(target, source).hex())
    with stopped(ours):
        near.run(*many)
    wait_for(lambda: ours.listener()["kernel_drops"], "an overflow")
    for _ in range(3):
        near.run(*many)
    idle(ours)
    asking = ours if interface == "lo" else daemon(a, table())
    assert asking.probe("-I", interface, "-i", "1ms", "-c", "200", target)["received"] == 200
    idle(ours)


def test_clients_that_died(two_hosts: tuple[Host, Host], daemon: StartDaemon, idle: Idle) -> None:
    """Killed while probing, while searching, and while the daemon still had something to tell."""
    ours = daemon(two_hosts[0], table())
    for arguments in (["-c", "0", "-i", "10ms", "-W", "10ms", NOBODY], ["-c", "0"]):
        run = Probing(ours, *arguments)
        run.event("start")
        run.kill()
    with connect(ours) as gone:
        gone.sendall(b'{"method":"io.rawecho.Control.GetStatus"}\0' * 100)
    wait_for(lambda: ours.status()["probes"] == [], "the probes' end")
    idle(ours)


def test_clients_that_say_nothing_more(two_hosts: tuple[Host, Host], daemon: StartDaemon, idle: Idle) -> None:
    """Silent, half-heard, half-closed, and unread ones cost nothing while they last."""
    ours = daemon(two_hosts[0], table())
    clients = [connect(ours) for _ in range(4)]
    clients[1].sendall(b'{"method":"io.rawe')
    clients[2].shutdown(socket.SHUT_WR)
    clients[3].sendall(b'{"method":"io.rawecho.Control.GetConfig"}\0' * 2000)
    idle(ours)
    for client in clients:
        client.close()
    idle(ours)


def test_clients_that_watched(two_hosts: tuple[Host, Host], daemon: StartDaemon, idle: Idle) -> None:
    """One that went, and one that said so before."""
    ours = daemon(two_hosts[0], table())
    with connect(ours) as polite, connect(ours) as gone:
        for client in (polite, gone):
            client.sendall(b'{"method":"io.rawecho.Control.Watch","more":true}\0')
            client.recv(65536)
        polite.shutdown(socket.SHUT_WR)
    idle(ours)


def test_probe_that_waits(two_hosts: tuple[Host, Host], daemon: StartDaemon, idle: Idle) -> None:
    """Between two requests, its interface up, down or gone."""
    a, _ = two_hosts
    ours = daemon(a, table())
    run = Probing(ours, "-c", "0", "-i", "1h", "-W", "1ms", NOBODY)
    run.event("lost")
    idle(ours)
    a.ip("link", "set", "eth1", "down")
    wait_state(ours, "down")
    idle(ours)
    a.ip("link", "del", "eth1")
    wait_state(ours, "absent")
    idle(ours)
    assert run.interrupt()["lost"] == 1
    assert run.wait() == 1
    idle(ours)


def test_link_down_while_probing(
    two_hosts: tuple[Host, Host], daemon: StartDaemon, responder: Responder, idle: Idle
) -> None:
    """The prober's and the responder's socket both had an error to tell, once."""
    far, ours = responder(), daemon(two_hosts[0], table())
    run = Probing(ours, "-c", "0", "-i", "10ms", MAC_B)
    run.event("reply")
    two_hosts[0].ip("link", "set", "eth1", "down")
    run.event("lost", error="ENETDOWN")
    run.interrupt()
    run.wait()
    wait_state(far, "down")
    for each in (ours, far):
        idle(each)


def test_native_xdp(two_hosts: tuple[Host, Host], responder: Responder, near: Port, idle: Idle) -> None:
    """On trial, before anybody asks, and after the trial."""
    ours = responder(engine="ebpf", xdp="native")
    idle(ours)
    near.send(request())
    wait_for(lambda: ours.listener()["xdp"] == "generic", "the end of the trial")
    idle(ours)
