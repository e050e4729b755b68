"""Ending a daemon, gently and not, and starting it again."""

from __future__ import annotations

import signal

import pytest

from tests.lab import MAC_B, Daemon, Host, StartDaemon
from tests.netns.client import Probing, connect, stopped
from tests.netns.conftest import Responder, table
from tests.netns.test_link import ask
from tests.netns.test_probe import assert_clean

ENDLESS = ("-c", "0", "-i", "10ms")


@pytest.fixture
def ours(two_hosts: tuple[Host, Host], daemon: StartDaemon, responder: Responder) -> Daemon:
    """The daemon in host a; one in host b answers it."""
    responder()
    return daemon(two_hosts[0], table())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_while_probing(ours: Daemon, number: signal.Signals) -> None:
    """Each client gets its summary, which says why, and exits by it; the daemon exits with 0."""
    runs = [Probing(ours, *ENDLESS, MAC_B) for _ in range(3)]
    for run in runs:
        run.event("reply")
    ours.signal(number)
    for run in runs:
        summary = run.summary()
        assert summary["sent"] == summary["received"] + summary["lost"] + summary["outstanding"]
        assert summary["received"] >= 1
        assert summary["ended"] == "daemon"
        assert run.wait() == 5
    assert ours.wait() == 0
    assert ours.notified("STOPPING=1")
    assert f"Stopping on {number.name}" in ours.stderr
    assert [path.name for path in ours.directory.iterdir() if "control" in path.name] == []


def test_ended_while_nobody_is_found(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """A search ends with a summary too."""
    ours = daemon(two_hosts[0], table())
    run = Probing(ours, "-c", "0")
    run.event("start")
    assert ours.stop() == 0
    assert run.summary()["received"] == 0
    assert run.wait() == 5


def test_ended_with_idle_and_half_heard_clients(ours: Daemon) -> None:
    """Clients that say nothing, or half a message, do not keep it."""
    with connect(ours) as silent, connect(ours) as half:
        half.sendall(b'{"method":"io.rawecho.Con')
        assert ours.status()["pid"] == ours.process.pid
        assert ours.stop() == 0
        assert (silent.recv(1), half.recv(1)) == (b"", b"")


def test_ended_with_a_client_that_does_not_read(ours: Daemon) -> None:
    """Nor does one that has megabytes to fetch."""
    with connect(ours) as unread:
        unread.sendall(b'{"method":"io.rawecho.Control.GetConfig"}\0' * 2000)
        assert ours.status()["pid"] == ours.process.pid
        assert ours.stop() == 0
        assert unread.recv(1) == b"{"


def test_killed_and_started_again(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """SIGKILL leaves a stale socket: the next daemon takes the path, the client was told, counters are new."""
    run = Probing(ours, *ENDLESS, MAC_B)
    run.event("reply")
    ours.kill()
    assert run.summary()["ended"] == "cut_off"
    assert run.wait() == 5
    assert ours.control.exists()
    stale = ours.ctl("status")
    assert (stale.returncode, "rawechod is not running" in stale.stderr) == (3, True)
    ours.restart()
    assert ours.status()["pid"] == ours.process.pid
    assert ours.listener()["received"] == 0
    assert_clean(ours.probe("-c", "3", "-i", "5ms", MAC_B), 3)
    assert ours.stop() == 0
    assert not ours.control.exists()


def test_responder_killed_while_probed(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """The prober counts what is lost meanwhile; a new responder counts the session anew, and nobody minds."""
    a, b = two_hosts
    far, ours = daemon(b, table()), daemon(a, table())
    run = Probing(ours, *ENDLESS, "-W", "100ms", MAC_B)
    run.event("reply")
    far.kill()
    run.event("lost")
    far.restart()
    run.event("reply")
    summary = run.interrupt()
    assert summary["sent"] == summary["received"] + summary["lost"] + summary["outstanding"]
    assert run.wait() == 0


def test_no_daemon_at_all(ours: Daemon) -> None:
    """Exit status 3, and one sentence that says what to do."""
    assert ours.stop() == 0
    for command in ("status", "stats", "config", "reload", "probe"):
        result = ours.ctl(command)
        assert result.returncode == 3
        (sentence,) = result.stderr.splitlines()
        assert "systemctl start rawechod" in sentence


def test_two_daemons_on_one_machine(lone_host: Host, daemon: StartDaemon) -> None:
    """With control sockets of their own; here on `lo`, where each hears the other's probes."""
    first = daemon(lone_host, table("lo", ethertype="ETH_P_PAE"))
    second = daemon(lone_host, table("lo", ethertype="ETH_P_802_EX1"))
    for each in (first, second):
        assert_clean(each.probe("-c", "3", "-i", "5ms"), 3)
        assert each.listener()["replied"] == 3


def test_stopped_responder_answers_what_has_waited(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """A daemon that was stopped and goes on is a responder as before."""
    far = responder()
    with stopped(far):
        pass
    assert ask(two_hosts[0]) == MAC_B
