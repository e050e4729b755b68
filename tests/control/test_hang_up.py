"""Clients that leave: their probes end with them, and with them alone."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import pytest

from tests.control.talk import CONTROL, Talk, connect
from tests.lab import Daemon, StartDaemon, wait_for

ENDLESS = {"count": 0, "interval": "10ms"}


@pytest.fixture
def probes(served: Daemon) -> Callable[[], int]:
    """How many probes run, asked over a connection of its own."""

    def count() -> int:
        with connect(served.control) as other:
            return len(other.call("GetStatus")["parameters"]["probes"])

    wait_for(lambda: count() == 0, "the end of earlier probes")
    return count


def started(talk: Talk, **parameters: object) -> None:
    """Start a probe and wait for its first reply."""
    talk.more("Probe", **(ENDLESS | parameters))
    while talk.receive()["parameters"]["event"] != "reply":
        pass


def test_half_close_brings_the_summary(talk: Talk, probes: Callable[[], int]) -> None:
    """Who sends no more wants no more: the probe ends with its summary, then the daemon hangs up."""
    started(talk)
    talk.finish()
    summary = talk.last()["parameters"]["summary"]
    assert summary["received"] >= 1
    assert summary["sent"] == summary["received"] + summary["lost"] + summary["outstanding"]
    assert talk.rest() == b""
    assert probes() == 0


@pytest.mark.parametrize("count", [2, 1600], ids=["few", "more than is read at once"])
def test_half_close_and_calls_behind_the_probe(talk: Talk, probes: Callable[[], int], count: int) -> None:
    """They are carried out, in order, behind the summary; a probe among them ends as it begins."""
    status, stats = ({"method": f"{CONTROL}.{name}"} for name in ("GetStatus", "GetCounters"))
    probe = {"method": f"{CONTROL}.Probe", "parameters": ENDLESS}
    started(talk)
    talk.send(*[status, stats] * (count // 2), probe, status)
    talk.finish()
    assert talk.last()["parameters"]["summary"]["received"] >= 1
    told = [next(iter(talk.receive()["parameters"])) for _ in range(count + 2)]
    assert told == [*["version", "listeners"] * (count // 2), "event", "version"]
    assert talk.rest() == b""
    assert probes() == 0


def test_half_close_of_a_probe_without_events(talk: Talk, probes: Callable[[], int]) -> None:
    """Also where nothing but the summary was asked for."""
    talk.send({"method": f"{CONTROL}.Probe", "parameters": ENDLESS})
    wait_for(lambda: probes() == 1, "the probe")
    talk.finish()
    assert "summary" in talk.receive()["parameters"]


@pytest.mark.parametrize("oneway", [False, True])
def test_close_ends_the_probe(served: Daemon, probes: Callable[[], int], oneway: bool) -> None:
    """Also the one that was asked for one way."""
    with connect(served.control) as talk:
        talk.send({"method": f"{CONTROL}.Probe", "parameters": ENDLESS, "more": not oneway, "oneway": oneway})
        wait_for(lambda: probes() == 1, "the probe")
    wait_for(lambda: probes() == 0, "its end")


def test_close_ends_the_waiting(served: Daemon, probes: Callable[[], int]) -> None:
    """A probe that sends no more and waits for its last replies ends with its caller, too."""
    with connect(served.control) as talk:
        silent = {"target": "02:00:00:00:00:99", "timeout": "60s"}
        talk.more("Probe", **(ENDLESS | silent))
        assert talk.receive()["parameters"]["event"] == "start"  # Unread, it would be an error to close.
        assert probes() == 1  # Which takes a turn of the loop: the first request has left.
        talk.finish()
        assert probes() == 1
    wait_for(lambda: probes() == 0, "its end")


def test_close_with_unread_events(served: Daemon, probes: Callable[[], int]) -> None:
    """Events that nobody read do not keep the probe."""
    with connect(served.control) as talk:
        talk.more("Probe", count=0, interval="100us")
        wait_for(lambda: len(talk.socket.recv(1 << 16, socket.MSG_PEEK)) > 30_000, "many events")
    wait_for(lambda: probes() == 0, "the end of the probe")


def test_killed_client(served: Daemon, probes: Callable[[], int]) -> None:
    """SIGKILL leaves no probe behind."""
    with served.ctl_popen("probe", "-c", "0", "-q") as client:
        try:
            wait_for(lambda: probes() == 1, "the probe")
        finally:
            client.kill()
    wait_for(lambda: probes() == 0, "its end")


def test_others_go_on(served: Daemon, talk: Talk, probes: Callable[[], int]) -> None:
    """One client's end is not another's."""
    with connect(served.control) as other:
        started(other)
        started(talk)
        assert probes() == 2
    wait_for(lambda: probes() == 1, "the end of the one")
    talk.receive()
    talk.finish()
    assert talk.last()["parameters"]["summary"]["lost"] == 0


def test_a_search_ends_too(unanswered: Daemon) -> None:
    """A probe that still asks who is there, of nobody who answers, ends with a summary as well."""
    with connect(unanswered.control) as talk:
        talk.more("Probe", interface="eth1", **ENDLESS)
        assert talk.receive()["parameters"]["event"] == "start"
        talk.finish()
        summary = talk.last()["parameters"]["summary"]
        assert (summary["received"], summary["target"]) == (0, "ff:ff:ff:ff:ff:ff")


@pytest.fixture
def unanswered(two_hosts: tuple[object, object], daemon: StartDaemon) -> Daemon:
    """A daemon on a cable at whose other end nobody answers."""
    return daemon(two_hosts[0], '[echo]\ninterface = "eth1"\n')


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_daemon_that_ends(lone_host: object, daemon: StartDaemon, number: int) -> None:
    """Running probes end with their summaries, then everybody is hung up on; the exit status is 0."""
    ours = daemon(lone_host, "")
    clients = [connect(ours.control) for _ in range(3)]
    for client in clients:
        started(client)
    ours.signal(number)
    for client in clients:
        with client:
            assert client.last()["parameters"]["summary"]["received"] >= 1
            assert client.rest() == b""
    assert ours.wait() == 0
    assert ours.notified("STOPPING=1")
    assert not ours.control.exists()
