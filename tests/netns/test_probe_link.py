"""A probe that runs while something happens to its interface."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, join, wait_for
from tests.netns.client import Event, Probing, failure, stopped
from tests.netns.conftest import Responder, table
from tests.netns.frames import REPLY, parse
from tests.netns.port import port
from tests.netns.test_link import move

NEW_MAC = "02:00:00:00:00:0e"
ENDLESS = ("-c", "0", "-i", "10ms", "-W", "200ms")


@pytest.fixture
def ours(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> Daemon:
    """The daemon in host a."""
    return daemon(two_hosts[0], table())


@pytest.fixture
def run(ours: Daemon, responder: Responder) -> Iterator[Probing]:
    """An endless probe of host b, which has been answered."""
    responder()
    made = Probing(ours, *ENDLESS, MAC_B)
    made.event("reply")
    yield made
    made.close()


def goes_on(run: Probing) -> None:
    """There are replies again, and the summary adds up."""
    run.event("reply")
    ends_well(run)


def ends_well(run: Probing) -> Event:
    """Ctrl-C: every request is accounted for, once."""
    summary = run.interrupt()
    assert summary["sent"] == summary["received"] + summary["lost"] + summary["outstanding"]
    assert (summary["duplicates"], summary["corrupted"], summary["strangers"]) == (0, 0, 0)
    assert sum(summary["send_errors"].values()) <= summary["lost"]
    assert run.wait() == 0
    return summary


@pytest.mark.parametrize("end", [0, 1], ids=["own", "far"])
def test_down_and_up(two_hosts: tuple[Host, Host], run: Probing, end: int) -> None:
    """Requests are lost meanwhile, each at once or at its timeout; then answers come again."""
    two_hosts[end].ip("link", "set", "eth1", "down")
    run.event("lost")
    two_hosts[end].ip("link", "set", "eth1", "up")
    goes_on(run)


def test_request_that_can_not_leave_says_why(two_hosts: tuple[Host, Host], ours: Daemon, run: Probing) -> None:
    """On an interface that is down each request is lost at once, with the errno."""
    two_hosts[0].ip("link", "set", "eth1", "down")
    run.event("lost", error="ENETDOWN")
    summary = ends_well(run)
    assert summary["send_errors"]["ENETDOWN"] >= 1
    assert ours.listener()["state"] == "down"


def test_deleted_and_made_again(two_hosts: tuple[Host, Host], ours: Daemon, run: Probing) -> None:
    """The probe goes on with the new interface, from the new MAC."""
    a, b = two_hosts
    a.ip("link", "del", "eth1")
    run.event("lost")
    wait_for(lambda: ours.listener()["state"] == "absent", "the listener absent")
    join(a, b, macs=(NEW_MAC, MAC_B))
    with port(b) as far:
        while (asked := parse(far.receive())).dst != MAC_B:
            pass
        assert asked.src == NEW_MAC
    goes_on(run)


def test_mac_changed(two_hosts: tuple[Host, Host], ours: Daemon, run: Probing) -> None:
    """Requests leave from the interface's present MAC, and their answers are no strangers."""
    a, b = two_hosts
    with port(b) as far:
        a.ip("link", "set", "eth1", "address", NEW_MAC)
        while parse(far.receive()).src == MAC_A:
            pass
    wait_for(lambda: ours.listener()["mac"] == NEW_MAC, "the listener's MAC")
    run.event("reply")
    summary = run.interrupt()
    assert summary["received"] >= 2
    assert run.wait() == 0


def test_moved_and_back_between_two_looks(
    two_hosts: tuple[Host, Host], lone_host: Host, ours: Daemon, run: Probing
) -> None:
    """The same index, a dead socket: the probe takes a new one."""
    with stopped(ours):
        move(two_hosts[0], lone_host)
    with port(two_hosts[1]) as far:
        assert parse(far.receive()).src == MAC_A
    run.event("reply")
    ends_well(run)


def test_renamed(two_hosts: tuple[Host, Host], run: Probing) -> None:
    """The cable is still the same: nothing has to be lost."""
    a, b = two_hosts
    a.ip("link", "set", "eth1", "name", "other")
    with port(b) as far:
        assert parse(far.receive()).src == MAC_A
    run.event("reply")
    a.ip("link", "set", "other", "name", "eth1")
    run.event("reply")
    ends_well(run)


def test_into_a_bridge(two_hosts: tuple[Host, Host], ours: Daemon, run: Probing) -> None:
    """The probe's socket hears everything there already: no request is lost."""
    a, _ = two_hosts
    a.ip("link", "add", "br0", "type", "bridge")
    a.ip("link", "set", "eth1", "master", "br0")
    wait_for(lambda: any("br0" in note for note in ours.listener()["notes"]), "the listener's note")
    run.event("reply")
    assert ends_well(run)["lost"] == 0


def test_interface_is_gone_for_good(two_hosts: tuple[Host, Host], run: Probing) -> None:
    """The probe says why nothing leaves, until it is interrupted."""
    two_hosts[0].ip("link", "del", "eth1")
    run.event("lost", error="ENXIO")
    assert run.interrupt()["received"] >= 1


def test_interface_goes_between_search_and_run(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """Somebody answered the group, and there is no interface to go on with: an error, and the daemon lives."""
    a, b = two_hosts
    with port(b) as far:
        client = ours.ctl_popen("probe")
        asked = parse(far.receive())
        far.send(asked._replace(dst=MAC_A, src=MAC_B, pdu=asked.pdu._replace(op=REPLY)).octets())
        a.ip("link", "del", "eth1")
        status, errors = failure(client)
    assert status == 5, errors
    assert len(errors.splitlines()) == 1
    assert ours.status()["probes"] == []


def test_reload_while_probing(ours: Daemon, run: Probing) -> None:
    """A probe outlives the table that allowed it."""
    assert ours.reload(table("lo")).returncode == 0
    run.event("reply")
    ends_well(run)
    assert ours.ctl("probe", "-I", "eth1").returncode == 2


def test_stopped_daemon_catches_up_a_little(ours: Daemon, run: Probing) -> None:
    """After a pause there is no burst of all that was missed, and no negative time."""
    with stopped(ours):
        pass
    run.event("reply")
    assert ends_well(run)["rtt_ns"]["min"] > 0
