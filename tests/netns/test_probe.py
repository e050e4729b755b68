"""Two daemons on a cable: the main job."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon
from tests.netns.conftest import Cable, table

KINDS: dict[str, list[tuple[list[str], str]]] = {
    "ETH_P_ALL": [
        ([], "ETH_P_802_EX1"),
        (["--ethertype", "ETH_P_PAE"], "ETH_P_PAE"),
        (["--ethertype", "0x88B6"], "0x88B6"),
    ],
    "ETH_P_PAE": [([], "ETH_P_PAE")],
    "ETH_P_802_EX1": [([], "ETH_P_802_EX1")],
}
SIZES = {"ETH_P_802_EX1": (60, 1514), "0x88B6": (60, 1514), "ETH_P_PAE": (64, 1514)}
"""The smallest and the largest; the envelope of 802.1X takes four octets."""
SUMMARY = {
    *("event", "interface", "ethertype", "target", "size", "sent", "received", "lost", "loss_ratio"),
    *("duplicates", "reordered", "corrupted", "duration_s", "timestamps", "rtt_ns", "ipdv_ns", "responders"),
}
LISTENER = {
    *("interface", "ifindex", "mac", "mtu", "ethertype", "domain", "mode", "engine", "xdp", "state"),
    *("received", "replied", "dropped", "kernel_drops"),
}


def pair(hosts: tuple[Host, Host], daemon: StartDaemon, **settings: Any) -> tuple[Daemon, Daemon]:
    """A daemon at each end, with the same settings."""
    a, b = (daemon(host, table(**settings), ready=False) for host in hosts)
    for each in (a, b):
        each.wait_ready()
    return a, b


def assert_clean(summary: dict[str, Any], count: int) -> None:
    """All was answered, once, in order and intact."""
    assert (summary["sent"], summary["received"], summary["lost"]) == (count, count, 0)
    assert summary["loss_ratio"] == 0
    names = ("duplicates", "reordered", "corrupted", "late", "strangers", "outstanding")
    assert {name: summary[name] for name in names} == dict.fromkeys(names, 0)


@pytest.mark.parametrize("listener", KINDS)
def test_ten_of_ten(two_hosts: tuple[Host, Host], daemon: StartDaemon, listener: str) -> None:
    """Under each EtherType, at the smallest size and at the MTU; the far end's counters agree."""
    ours, far = pair(two_hosts, daemon, ethertype=listener)
    kinds = [(flags, name, size) for flags, name in KINDS[listener] for size in SIZES[name]]
    for rounds, (flags, name, size) in enumerate(kinds, start=1):
        summary = ours.probe(*flags, "--count", "10", "-i", "10ms", "-s", str(size), MAC_B)
        assert_clean(summary, 10)
        assert (summary["ethertype"], summary["size"]) == (name, size)
        assert far.listener()["replied"] == far.listener()["received"] == 10 * rounds
    assert far.listener()["dropped"] == {}
    assert ours.listener()["dropped"] == {}


def test_jumbo_frames(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """At MTU 9000; one octet more is refused before it is sent."""
    for host in two_hosts:
        host.ip("link", "set", "eth1", "mtu", "9000")
    ours, _ = pair(two_hosts, daemon)
    assert_clean(ours.probe("-c", "10", "-i", "10ms", "-s", "9014", MAC_B), 10)
    refused = ours.ctl("probe", "-s", "9015", MAC_B)
    assert refused.returncode == 2
    assert "60 to 9014 (MTU 9000 and the header)" in refused.stderr


def test_both_probe_each_other_at_once(cable: Cable) -> None:
    """Probing and answering do not get into each other's way."""
    arguments = ("--json", "probe", "-q", "-c", "200", "-i", "1ms")
    clients = [cable.ours.ctl_popen(*arguments, MAC_B), cable.far.ctl_popen(*arguments, MAC_A)]
    for client in clients:
        out, _ = client.communicate(timeout=30)
        assert client.returncode == 0
        assert '"sent":200,"received":200,"lost":0' in out


def test_json_of_a_probe(cable: Cable) -> None:
    """An object an event, with the documented names; the last is the summary."""
    events = cable.ours.objects("probe", "-c", "3", "-i", "10ms", MAC_B)
    assert [event["event"] for event in events] == ["start", "reply", "reply", "reply", "summary"]
    for seq, reply in enumerate(events[1:4], start=1):
        assert (reply["seq"], reply["mac"]) == (seq, MAC_B)
        assert reply["rtt_ns"] > 0
    summary = events[-1]
    assert set(summary) >= SUMMARY
    assert (summary["interface"], summary["target"], summary["size"]) == ("eth1", MAC_B, 60)
    assert summary["timestamps"] in ("kernel", "user")
    rtt = summary["rtt_ns"]
    assert set(rtt) == {"min", "mean", "max", "stddev", "p50", "p90", "p99", "p999", "p9999"}
    assert 0 < rtt["min"] <= rtt["p50"] <= rtt["p90"] <= rtt["p99"] <= rtt["p999"] <= rtt["max"]
    assert rtt["min"] <= rtt["mean"] <= rtt["max"]
    assert set(summary["ipdv_ns"]) == {"min", "mean", "max", "stddev"}
    (responder,) = summary["responders"]
    assert (responder["mac"], responder["received"]) == (MAC_B, 3)


def test_json_of_a_probe_without_an_answer(cable: Cable) -> None:
    """Each loss is an event; there are no times to tell."""
    events = cable.ours.objects("probe", "-c", "2", "-i", "10ms", "-W", "50ms", "02:00:00:00:00:77")
    assert [(event["event"], event.get("seq")) for event in events[1:-1]] == [("lost", 1), ("lost", 2)]
    summary = events[-1]
    assert (summary["lost"], summary["loss_ratio"], summary["rtt_ns"], summary["responders"]) == (2, 1, None, [])


def test_json_of_status(cable: Cable) -> None:
    """One object with the documented names."""
    ours = cable.ours
    status = ours.status()
    assert set(status) == {"version", "pid", "uptime_s", "config", "privileges", "listeners", "probes"}
    assert (status["pid"], status["config"], status["probes"]) == (ours.process.pid, str(ours.config), [])
    (listener,) = status["listeners"]
    assert set(listener) >= LISTENER
    link = cable.a.link("eth1")
    assert (listener["ifindex"], listener["mac"], listener["mtu"]) == (link["ifindex"], MAC_A, link["mtu"])
    assert (listener["interface"], listener["state"], listener["kernel_drops"]) == ("eth1", "up", 0)


def test_text_is_like_pings(cable: Cable) -> None:
    """A line a reply, then the summary."""
    result = cable.ours.ctl("probe", "-c", "2", "-i", "10ms", MAC_B)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert MAC_B in lines[0]
    replies = [line for line in lines if re.search(rf"{MAC_B}: seq=\d time=\d+\.\d+ ms$", line)]
    assert len(replies) == 2
    assert any("2 sent, 2 received, 0% lost" in line for line in lines)
    assert any(re.fullmatch(r"rtt min/avg/max/mdev = [\d.]+/[\d.]+/[\d.]+/[\d.]+ ms", line) for line in lines)


def test_the_configured_target(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """`[probe]` gives what the command line leaves out."""
    a, b = two_hosts
    daemon(b, table())
    wishes = f'[probe]\ntarget = "{MAC_B}"\ncount = 3\ninterval = "5ms"\nsize = 128\nethertype = "ETH_P_PAE"\n'
    summary = daemon(a, table() + wishes).probe()
    assert_clean(summary, 3)
    assert (summary["target"], summary["size"], summary["ethertype"]) == (MAC_B, 128, "ETH_P_PAE")


def test_no_answer_is_exit_status_1(cable: Cable) -> None:
    """And a wrong argument 2, with a sentence."""
    assert cable.ours.ctl("probe", "-c", "1", "-W", "50ms", "02:00:00:00:00:77").returncode == 1
    for wrong in (
        ["-I", "eth9"],
        ["nonsense"],
        ["-s", "59"],
        ["--ethertype", "ETH_P_ALL"],
        ["-i", "1ms", "broadcast"],
        [MAC_A],
    ):
        result = cable.ours.ctl("probe", *wrong)
        assert result.returncode == 2, result
        assert len(result.stderr.splitlines()) == 1
