"""The shipped default: a listener on `lo`, which hears every frame twice and must answer it once."""

from __future__ import annotations

import pytest

from tests.lab import Host, StartDaemon
from tests.netns.conftest import table
from tests.netns.frames import BROADCAST, EX1, PAE, REPLY, REQUEST, ZERO, parse
from tests.netns.test_probe import assert_clean
from tests.peers.tap import Tap, tap

KINDS = [("ETH_P_ALL", "ETH_P_802_EX1", EX1), ("ETH_P_ALL", "ETH_P_PAE", PAE)]
KINDS += [("ETH_P_PAE", "ETH_P_PAE", PAE), ("ETH_P_802_EX1", "ETH_P_802_EX1", EX1)]


def transmitted(ear: Tap, op: int) -> int:
    """How many PDUs with this op were sent, on their way out; the copies that come in are not counted."""
    return sum(seen.outgoing and parse(seen.frame).pdu.op == op for seen in ear.seen())


@pytest.mark.parametrize(("listener", "name", "ethertype"), KINDS)
def test_each_request_is_answered_once(
    lone_host: Host, daemon: StartDaemon, listener: str, name: str, ethertype: int
) -> None:
    """As an independent tap sees it; the daemon hears its own replies and leaves them alone."""
    ours = daemon(lone_host, table("lo", ethertype=listener))
    with tap(lone_host) as ear:
        for size in ("64", "1514"):
            assert_clean(ours.probe("-c", "10", "-i", "5ms", "-s", size, "--ethertype", name), 10)
        assert (transmitted(ear, REQUEST), transmitted(ear, REPLY)) == (20, 20)
        assert {parse(seen.frame).ethertype for seen in ear.seen()} == {ethertype}
    own = ours.listener()
    assert (own["received"], own["replied"], own["dropped"], own["probe_replies"]) == (20, 20, {}, 20)


def test_default_configuration_works_at_once(lone_host: Host, daemon: StartDaemon) -> None:
    """No table at all is a listener on `lo`; the probe needs no argument, and says how far it reaches."""
    ours = daemon(lone_host, "")
    result = ours.ctl("probe", "-c", "2", "-i", "5ms")
    assert result.returncode == 0
    assert "2 sent, 2 received" in result.stdout
    own = ours.listener()
    assert (own["interface"], own["mac"], own["state"]) == ("lo", ZERO, "up")
    assert "loopback only" in own["notes"][0]
    assert "loopback only" in ours.ctl("status").stdout
    assert "loopback only" in result.stdout


def test_broadcast_on_lo(lone_host: Host, daemon: StartDaemon) -> None:
    """The one responder answers a group request once as well."""
    ours = daemon(lone_host, table("lo"))
    with tap(lone_host) as ear:
        summary = ours.probe("-c", "2", "-i", "100ms", "-W", "100ms", "broadcast")
        assert_clean(summary, 2)
        assert [one["mac"] for one in summary["responders"]] == [ZERO]
        assert (transmitted(ear, REQUEST), transmitted(ear, REPLY)) == (2, 2)
        assert {parse(seen.frame).dst for seen in ear.seen()} == {BROADCAST, ZERO}


def test_several_probes_on_lo(lone_host: Host, daemon: StartDaemon) -> None:
    """All see all frames there, and each takes its own."""
    ours = daemon(lone_host, table("lo"))
    arguments = ("--json", "probe", "-q", "-c", "50", "-i", "2ms")
    for client in [ours.ctl_popen(*arguments) for _ in range(3)]:
        out, _ = client.communicate(timeout=30)
        assert '"sent":50,"received":50,"lost":0' in out
    assert ours.listener()["replied"] == 150


def test_daemon_without_a_file(lone_host: Host, daemon: StartDaemon) -> None:
    """`rawechod --interface lo` answers without any configuration; there is nothing to reload."""
    ours = daemon(lone_host, "", "--interface", "lo", "--ethertype", "ETH_P_PAE")
    summary = ours.probe("-c", "2", "-i", "5ms")
    assert_clean(summary, 2)
    assert (summary["ethertype"], ours.listener()["ethertype"]) == ("ETH_P_PAE", "ETH_P_PAE")
    refused = ours.ctl("reload")
    assert refused.returncode == 5
    assert "no file to reload" in refused.stderr
