"""`rawechoctl peers`: whose requests a listener gets, with every engine, whatever becomes of its interface."""

from __future__ import annotations

import re

import pytest

from tests.lab import MAC_A, Daemon, Host, wait_for
from tests.netns.conftest import ENGINES, Responder, table
from tests.netns.frames import Pdu, parse, request
from tests.netns.port import Port

FRAMES = 200
OTHER = "02:00:00:00:00:99"

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def peers(ours: Daemon) -> dict[str, tuple[int, int]]:
    """Frames received and replied of each, the busiest first."""
    (reply,) = ours.objects("peers")
    assert (reply["known"], reply["forgotten"]) == (len(reply["peers"]), 0)
    return {peer["mac"]: (peer["received"], peer["replied"]) for peer in reply["peers"]}


def wait_for_peers(ours: Daemon, expected: dict[str, tuple[int, int]]) -> None:
    """Until all is counted and told."""
    wait_for(lambda: peers(ours) == expected, f"the peers {expected}")


def test_counts_before_and_behind_the_limits(responder: Responder, near: Port) -> None:
    """All that came, whatever became of it, and what was answered; the busiest first."""
    ours = responder(peer_rate_limit=1)
    for seq in range(1, FRAMES + 1):
        near.send(request(src=OTHER, pdu=Pdu(seq=seq)), request(src=OTHER, size=1514, pdu=Pdu(version=1)))
    near.send(*[request(size=60)] * 3)
    wait_for(lambda: ours.listener()["received"] == 2 * FRAMES + 3, "all frames counted")
    answers = [parse(near.receive()).dst for _ in range(ours.listener()["replied"])]
    expected = {OTHER: (FRAMES, answers.count(OTHER)), MAC_A: (3, 3)}
    wait_for_peers(ours, expected)
    assert list(peers(ours)) == [OTHER, MAC_A]
    assert 64 < expected[OTHER][1] < FRAMES


def test_what_is_told(responder: Responder, near: Port) -> None:
    """Which listener's, and how long ago; so many; of one interface; as a table."""
    ours = responder()
    assert ours.ctl("peers").stdout == "no peer so far\n"
    near.answers(request(src=OTHER))
    wait_for_peers(ours, {MAC_A: (1, 1), OTHER: (1, 1)})
    first, second = ours.objects("peers", "-I", "eth1")[0]["peers"]
    assert (first["mac"], first["interface"], first["ethertype"]) == (MAC_A, "eth1", "ETH_P_ALL")
    assert 0 <= first["last_seen_s"] <= second["last_seen_s"] < 60
    shown = ours.ctl("peers", "--most", "1").stdout
    assert re.fullmatch(
        r"MAC +interface +EtherType +received +replied +last seen\n"
        rf"{MAC_A} +eth1 +ETH_P_ALL +1 +1 +\d+s ago\n"
        r"1 more are known: --most\n",
        shown,
    )


def down_and_up(ours: Daemon, host: Host) -> None:
    """The listener's end of the cable."""
    for state in ("down", "up"):
        host.ip("link", "set", "eth1", state)
        wait_for(lambda state=state: ours.listener()["state"] == state, "the listener to see it")  # type: ignore[misc]


def another_mtu(ours: Daemon, host: Host) -> None:
    """It takes another socket."""
    host.ip("link", "set", "eth1", "mtu", "1400")
    wait_for(lambda: ours.listener()["mtu"] == 1400, "the listener to see it")


def test_counts_go_on(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """When the link went down and up, the MTU changed, or a trace had all frames for so long."""
    ours = responder()
    with ours.ctl_popen("trace") as trace:
        assert trace.stdout
        trace.stdout.readline()
        assert_counted(ours, near, 1)
        trace.terminate()
        trace.communicate()
    for seen, change in enumerate((down_and_up, another_mtu, down_and_up), start=2):
        change(ours, two_hosts[1])
        assert_counted(ours, near, seen)


def assert_counted(ours: Daemon, near: Port, requests: int) -> None:
    """Send one more request from each peer: so many in all."""
    near.answers(request(src=OTHER))
    wait_for_peers(ours, {MAC_A: (requests, requests), OTHER: (requests, requests)})


def test_frames_that_a_loopback_returns(responder: Responder, near: Port) -> None:
    """They count too, and stay counted when it is disarmed."""
    ours = responder(mode="loopback", loopback_armed=True, rate_limit=1, peer_rate_limit=0)
    near.send(*[request(src=OTHER, ethertype=0x9000)] * FRAMES)
    wait_for(lambda: ours.listener()["received"] == FRAMES, "all frames counted")
    counts = {OTHER: (FRAMES, ours.listener()["replied"])}
    wait_for_peers(ours, counts)
    assert ours.ctl("disarm").returncode == 0
    wait_for_peers(ours, counts)


def test_a_listener_of_its_own_begins_anew(responder: Responder, near: Port) -> None:
    """Each counts for itself; one that a reload changes has no peers yet."""
    ours = responder(ethertype="ETH_P_802_EX1")
    near.answers(request(src=OTHER))
    wait_for_peers(ours, {MAC_A: (1, 1), OTHER: (1, 1)})
    assert ours.reload(table(ethertype="ETH_P_802_EX1", rate_limit=7)).returncode == 0
    assert peers(ours) == {}
