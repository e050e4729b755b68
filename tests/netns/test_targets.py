"""Whom a probe asks: whoever answers, a group, one of many."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab import MAC_A, MAC_B, Host, StartDaemon, wait_for
from tests.netns.conftest import Cable, Responder, table
from tests.netns.frames import BROADCAST, PAE_GROUP
from tests.netns.port import port
from tests.netns.segment import Segment, segment
from tests.netns.test_probe import assert_clean, pair

ONE, TWO = Segment.mac(1), Segment.mac(2)


@pytest.fixture
def three(root: None) -> Iterator[Segment]:
    """Three hosts on one switch."""
    with segment("a", "b", "c") as made:
        yield made


@pytest.mark.parametrize(("listener", "group"), [("ETH_P_ALL", BROADCAST), ("ETH_P_PAE", PAE_GROUP)])
def test_the_only_responder_is_found(
    two_hosts: tuple[Host, Host], daemon: StartDaemon, listener: str, group: str
) -> None:
    """Without a target: ask the group, say who is used, go on by unicast."""
    ours, _ = pair(two_hosts, daemon, ethertype=listener)
    events = ours.objects("probe", "-c", "10", "-i", "5ms")
    assert [event["event"] for event in events] == ["start", "using", *["reply"] * 10, "summary"]
    assert (events[0]["target"], events[1]["mac"], events[-1]["target"]) == (group, MAC_B, MAC_B)
    assert_clean(events[-1], 10)
    assert f"using {MAC_B}" in ours.ctl("probe", "-c", "1").stdout


def test_the_run_asks_by_unicast(cable: Cable) -> None:
    """The group is asked while others may still answer; then the responder alone, and no group again."""
    with port(cable.b) as far:
        cable.ours.probe("-c", "3", "-i", "5ms")
        asked = [far.receive()[:6].hex(":")]
        while asked.count(MAC_B) < 3:
            asked.append(far.receive()[:6].hex(":"))
    assert asked == [BROADCAST] * (len(asked) - 3) + [MAC_B] * 3
    assert len(asked) > 3


def test_time_for_the_search_alone(cable: Cable) -> None:
    """A deadline that passes while others may still answer: what the search got is the result."""
    result = cable.ours.ctl("--json", "probe", "-w", "100ms")
    assert result.returncode == 0
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["event"], summary["target"], summary["received"]) == ("summary", BROADCAST, 1)
    assert [one["mac"] for one in summary["responders"]] == [MAC_B]


def test_nobody_answers(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """All requests go to the group, and are lost."""
    ours = daemon(two_hosts[0], table())
    events = ours.objects("probe", "-c", "1", "-W", "50ms")
    assert (events[-1]["target"], events[-1]["sent"], events[-1]["lost"]) == (BROADCAST, 1, 1)
    assert ours.ctl("probe", "-c", "1", "-W", "50ms").returncode == 1


def test_a_responder_that_comes_later(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """The group is asked until somebody answers."""
    a, b = two_hosts
    ours = daemon(a, table())
    with port(b) as far:
        client = ours.ctl_popen("probe", "-c", "50", "-i", "5ms")
        assert far.receive()[:6].hex(":") == BROADCAST
        daemon(b, table())
        out, _ = client.communicate(timeout=30)
    assert client.returncode == 0
    assert f"using {MAC_B}" in out
    assert "50 sent, 50 received" in out


def test_several_responders_are_listed(three: Segment, daemon: StartDaemon) -> None:
    """The user has to choose: exit status 2; naming one then works."""
    ours, *_ = [daemon(host, table()) for host in three.hosts]
    result = ours.ctl("probe", "-c", "2", "-i", "5ms")
    assert result.returncode == 2
    assert ONE in result.stderr
    assert TWO in result.stderr
    assert ours.status()["probes"] == []
    assert_clean(ours.probe("-c", "3", "-i", "5ms", TWO), 3)


def test_broadcast_counts_each_responder(three: Segment, daemon: StartDaemon) -> None:
    """A request that two answered was received once; neither is the other's duplicate."""
    ours, *_ = [daemon(host, table()) for host in three.hosts]
    summary = ours.probe("-c", "3", "-i", "100ms", "-W", "300ms", "broadcast")
    assert_clean(summary, 3)
    assert [(one["mac"], one["received"], one["duplicates"]) for one in summary["responders"]] == [
        (ONE, 3, 0),
        (TWO, 3, 0),
    ]


def test_pae_group_ends_at_a_bridge(three: Segment, daemon: StartDaemon) -> None:
    """Unless the bridge is told to forward it: then all answer, each from its own MAC."""
    ours, *_ = [daemon(host, table(ethertype="ETH_P_PAE")) for host in three.hosts]
    summary = ours.probe("-c", "1", "-W", "100ms", "pae-group")
    assert (summary["received"], summary["target"]) == (0, PAE_GROUP)
    assert any("bridge" in note for note in summary["notes"])
    three.switch.ip("link", "set", "br0", "type", "bridge", "group_fwd_mask", "8")
    summary = ours.probe("-c", "2", "-i", "100ms", "-W", "300ms", "pae-group")
    assert_clean(summary, 2)
    assert [one["mac"] for one in summary["responders"]] == [ONE, TWO]


def test_group_names_and_macs(cable: Cable) -> None:
    """`broadcast` and `pae-group` are names of addresses that can be written out."""
    for name, group in (("broadcast", BROADCAST), ("pae-group", PAE_GROUP), (BROADCAST, BROADCAST)):
        summary = cable.ours.probe("-c", "1", "-W", "100ms", "--target", name)
        assert (summary["target"], summary["received"]) == (group, 1)
        assert [one["mac"] for one in summary["responders"]] == [MAC_B]


def test_group_is_asked_at_most_ten_times_a_second(cable: Cable) -> None:
    """Faster is refused for an explicit group."""
    result = cable.ours.ctl("probe", "-i", "99ms", "broadcast")
    assert result.returncode == 2
    assert "ten times a second" in result.stderr


def test_own_mac_is_refused(cable: Cable) -> None:
    """A probe of oneself would wait in vain: no interface hears what it sends."""
    result = cable.ours.ctl("probe", MAC_A)
    assert result.returncode == 2
    assert "own MAC" in result.stderr


def test_group_membership(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """ETH_P_ALL and ETH_P_PAE listeners are members of the PAE group for as long as they live."""
    b = two_hosts[1]

    def member() -> bool:
        lines = b.run("cat", "/proc/net/dev_mcast").stdout.splitlines()
        return any("eth1" in line and PAE_GROUP.replace(":", "") in line for line in lines)

    assert not member()
    ours = responder(ethertype="ETH_P_PAE")
    assert member()
    assert ours.reload(table(ethertype="ETH_P_802_EX1")).returncode == 0
    wait_for(lambda: not member(), "the membership's end")
    assert ours.reload(table(ethertype="ETH_P_ALL")).returncode == 0
    assert member()
