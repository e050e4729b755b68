"""Clients of a probing daemon: many at once, interrupted, killed, or not reading."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, wait_for
from tests.netns.client import Probing, connect
from tests.netns.conftest import Cable, table
from tests.netns.frames import REPLY, parse
from tests.netns.port import port
from tests.netns.test_probe import assert_clean

ENDLESS = ("-c", "0", "-i", "10ms")
NOBODY, UNREAD = "02:00:00:00:00:77", "02:00:00:00:00:78"
Start = Callable[..., Probing]


@pytest.fixture
def ours(cable: Cable) -> Daemon:
    """The daemon in host a."""
    return cable.ours


@pytest.fixture
def probe(ours: Daemon) -> Iterator[Start]:
    """Start a client of that daemon."""
    started: list[Probing] = []

    def start(*arguments: str) -> Probing:
        started.append(Probing(ours, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


def no_probe(ours: Daemon) -> bool:
    """The daemon has none running."""
    return not ours.status()["probes"]


def call(ours: Daemon, **parameters: Any) -> socket.socket:
    """A client that asks for a probe and then does what the test wants."""
    client = connect(ours)
    message = {"method": "io.rawecho.Control.Probe", "parameters": parameters, "more": True}
    client.sendall(json.dumps(message).encode() + b"\0")
    return client


def test_many_probes_at_once(cable: Cable, probe: Start) -> None:
    """Of different size, pace and EtherType: each is exact, and so is the responder's account."""
    before = cable.far.listener()
    kinds = [["-s", "60"], ["-s", "1514"], ["--ethertype", "ETH_P_PAE"], ["--ethertype", "0x88B6"], ["-i", "3ms"]]
    runs = [probe("-c", "100", "-i", "2ms", *kind, MAC_B) for kind in kinds]
    for run in runs:
        assert_clean(run.summary(), 100)
        assert run.wait() == 0
    after = cable.far.listener()
    assert [after[name] - before[name] for name in ("received", "replied")] == [500, 500]
    assert after["dropped"] == before["dropped"]
    assert no_probe(cable.ours)


def test_one_probes_duplicates_are_its_own(cable: Cable, probe: Start) -> None:
    """A responder that sends one session's replies twice spoils no other."""
    with port(cable.b) as far:
        runs = [probe("-c", "5", "-i", "5ms", "-W", "20s", NOBODY) for _ in range(2)]
        twice = None
        for _ in range(10):
            asked = parse(far.receive())
            twice = twice or asked.pdu.session
            good = asked._replace(dst=MAC_A, src=NOBODY, pdu=asked.pdu._replace(op=REPLY)).octets()
            copies = [good, good] if asked.pdu.session == twice and asked.pdu.seq < 5 else [good]
            far.send(*copies)
        assert sorted(run.summary()["duplicates"] for run in runs) == [0, 4]


def test_status_shows_what_runs(ours: Daemon, probe: Start) -> None:
    """Who probes whom, from where."""
    run = probe(*ENDLESS, "--ethertype", "ETH_P_PAE", NOBODY)
    run.event("start")
    (running,) = ours.status()["probes"]
    assert (running["interface"], running["target"], running["uid"]) == ("eth1", NOBODY, 0)
    assert NOBODY in ours.ctl("status").stdout
    run.interrupt()
    assert no_probe(ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_brings_the_summary(ours: Daemon, probe: Start, number: signal.Signals) -> None:
    """Ctrl-C: exit by the result so far, 0 with a reply."""
    run = probe(*ENDLESS, MAC_B)
    run.event("reply")
    run.process.send_signal(number)
    summary = run.summary()
    assert summary["received"] >= 1
    assert summary["sent"] == summary["received"] + summary["outstanding"]
    assert run.wait() == 0
    assert no_probe(ours)


def test_interrupt_without_a_reply(probe: Start) -> None:
    """Then the exit status is 1."""
    run = probe(*ENDLESS, "-W", "20ms", NOBODY)
    run.event("lost")
    assert run.interrupt()["received"] == 0
    assert run.wait() == 1


def test_interrupt_while_nobody_is_found(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """The search ends with a summary too."""
    run = Probing(daemon(two_hosts[0], table()), "-c", "0", "-W", "20ms")
    run.event("start")
    assert run.interrupt()["received"] == 0
    assert run.wait() == 1


def test_interrupt_in_the_search_s_grace(cable: Cable) -> None:
    """The search has no request left and waits for further answers: hanging up then ends it as well."""
    packet_sockets = len(cable.a.run("cat", "/proc/net/packet").stdout.splitlines())
    with call(cable.ours, count=1, timeout="1ms") as client:
        assert b'"start"' in client.recv(65536)

        def ran_out() -> bool:
            # The search's socket is gone: at its timeout, while the grace is longer. Or the run has ended.
            return len(cable.a.run("cat", "/proc/net/packet").stdout.splitlines()) == packet_sockets

        wait_for(ran_out, "the search's last request to time out")
        client.shutdown(socket.SHUT_WR)
        rest = b""
        while data := client.recv(65536):
            rest += data
    assert b'"summary"' in rest
    assert no_probe(cable.ours)


def test_killed_client_ends_its_probe(ours: Daemon, probe: Start) -> None:
    """SIGKILL: no probe goes on for nobody, and the journal says how it ended."""
    run = probe(*ENDLESS, NOBODY)
    run.event("start")
    assert not no_probe(ours)
    run.kill()
    wait_for(lambda: no_probe(ours), "the probe's end")
    wait_for(lambda: f"probe of {NOBODY} ended" in ours.stderr, "the journal's line")


def test_killed_client_ends_its_search(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Also while the group is asked."""
    ours = daemon(two_hosts[0], table())
    run = Probing(ours, "-c", "0")
    run.event("start")
    run.kill()
    wait_for(lambda: no_probe(ours), "the probe's end")


def test_one_client_s_death_is_no_other_s(ours: Daemon, probe: Start) -> None:
    """The neighbour's probe goes on, exact to the end."""
    other = probe("-c", "100", "-i", "5ms", MAC_B)
    run = probe(*ENDLESS, MAC_B)
    run.event("reply")
    other.event("reply")
    run.kill()
    assert_clean(other.summary(), 100)
    assert no_probe(ours)


def test_client_that_does_not_read_is_cut_off(ours: Daemon) -> None:
    """Its probe ends; nobody else notices, and the daemon lives."""
    with call(ours, target=UNREAD, count=0, interval="20us", timeout="1ms"):
        wait_for(lambda: "was cut off" in ours.stderr, "the cut", timeout=30)
        wait_for(lambda: no_probe(ours), "the probe's end")
    assert ours.process.poll() is None
    assert f"probe of {UNREAD} ended" in ours.stderr


@pytest.mark.parametrize("written", [(), ("--csv", "/dev/null"), ("--report", "/dev/null")], ids=str)
def test_quiet_probe_has_the_summary_alone(ours: Daemon, written: tuple[str, ...]) -> None:
    """`-q`, also where a file needs all events."""
    (only,) = ours.objects("probe", "-q", "-c", "3", "-i", "5ms", *written, MAC_B)
    assert_clean(only, 3)


def test_deadline_ends_a_probe(ours: Daemon) -> None:
    """`-w`: whatever was sent until then counts."""
    summary = ours.probe("-c", "0", "-i", "10ms", "-w", "300ms", MAC_B)
    assert summary["received"] >= 1
    assert summary["sent"] == summary["received"] + summary["outstanding"]
