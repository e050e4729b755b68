"""A listener on a bridge's port."""

from __future__ import annotations

import pytest

from tests.lab import MAC_B, Daemon, Host, StartDaemon, wait_for
from tests.netns.conftest import Responder, table
from tests.netns.frames import BROADCAST, EX1, PAE, PAE_GROUP, Tag, answered, parse, request
from tests.netns.port import Port
from tests.netns.segment import QUIET
from tests.netns.test_probe import assert_clean

ETHERTYPES = {"ETH_P_ALL": EX1, "ETH_P_PAE": PAE, "ETH_P_802_EX1": EX1}


def make_bridge(host: Host) -> None:
    """br0, up and without delay."""
    host.ip("link", "add", "br0", "type", "bridge", *QUIET)
    host.ip("link", "set", "br0", "up")


def wait_tap(ours: Daemon, tap: str, bridge: str) -> None:
    """Wait until the listener is bound as it should be, and its notes name the bridge or none."""

    def settled() -> bool:
        listener = ours.listener()
        return listener["tap"] == tap and any("port of the bridge" in note for note in listener["notes"]) == bool(
            bridge
        )

    wait_for(settled, f"tap {tap}")


@pytest.mark.parametrize("listener", ETHERTYPES)
def test_into_a_bridge_and_out(
    two_hosts: tuple[Host, Host], responder: Responder, near: Port, listener: str
) -> None:
    """Bound to everything while it is a port, since else it would hear nothing; it answers all along."""
    b, ethertype = two_hosts[1], ETHERTYPES[listener]
    ours = responder(ethertype=listener)
    tap = "all" if listener == "ETH_P_ALL" else "protocol"
    make_bridge(b)
    for _ in range(2):
        b.ip("link", "set", "eth1", "master", "br0")
        wait_tap(ours, "all", "br0")
        for dst in (MAC_B, BROADCAST):
            assert len(near.answers(request(dst=dst, ethertype=ethertype), ethertype=ethertype)) == 1
        b.ip("link", "set", "eth1", "nomaster")
        wait_tap(ours, tap, "")
        assert len(near.answers(request(ethertype=ethertype), ethertype=ethertype)) == 1
    assert ours.listener()["state"] == "up"
    assert ours.listener()["replied"] == 12  # six, and after each a last good one
    wait_for(
        lambda: ours.stderr.count("port of the bridge br0: group frames end here") == 2, "the journal's lines"
    )
    # Still the same listener to an operator: it was never down.
    assert ours.stderr.count("eth1: answering") == 1


def test_groups_on_a_port(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """The port itself answers its groups, whatever the bridge does with them."""
    make_bridge(two_hosts[1])
    two_hosts[1].ip("link", "set", "eth1", "master", "br0")
    ours = responder(ethertype="ETH_P_PAE")
    assert ours.listener()["tap"] == "all"
    for dst in (PAE_GROUP, BROADCAST):
        asked = request(dst=dst, ethertype=PAE)
        (reply,) = near.answers(asked, ethertype=PAE)
        assert reply == answered(asked, MAC_B, parse(reply).pdu)


def test_tags_on_a_port(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """A port is bound to everything, so it keeps tags without being told to."""
    make_bridge(two_hosts[1])
    two_hosts[1].ip("link", "set", "eth1", "master", "br0")
    responder(ethertype="ETH_P_802_EX1")
    asked = request(tags=(Tag(12, pcp=3),))
    (reply,) = near.answers(asked)
    assert reply == answered(asked, MAC_B, parse(reply).pdu)


def test_tap_protocol_is_kept_on_a_port(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """Who says "protocol" gets it, though it hears link-local groups alone there."""
    make_bridge(two_hosts[1])
    two_hosts[1].ip("link", "set", "eth1", "master", "br0")
    ours = responder(ethertype="ETH_P_PAE", tap="protocol")
    near.send(request(ethertype=PAE), request(dst=PAE_GROUP, ethertype=PAE))
    assert parse(near.receive()).pdu.responder_seq == 1
    listener = ours.listener()
    assert (listener["tap"], listener["received"]) == ("protocol", 1)


def test_hairpin_returns_our_own_frames(two_hosts: tuple[Host, Host], daemon: StartDaemon, near: Port) -> None:
    """A group request of ours that a far bridge sends back has our source: counted, not answered."""
    a, b = two_hosts
    near.close()
    make_bridge(a)
    a.ip("link", "set", "eth1", "master", "br0")
    a.ip("link", "set", "eth1", "type", "bridge_slave", "hairpin", "on")
    ours = daemon(b, table())
    summary = ours.probe("-c", "2", "-i", "100ms", "-W", "50ms", "broadcast")
    assert (summary["received"], summary["lost"], summary["strangers"]) == (0, 2, 0)
    listener = ours.listener()
    assert (listener["dropped"], listener["replied"]) == ({"own_frame": 2}, 0)


def test_two_daemons_across_a_bridge_port(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Probing from a port, and a port."""
    a, b = two_hosts
    for host in two_hosts:
        make_bridge(host)
        host.ip("link", "set", "eth1", "master", "br0")
    ours, _ = daemon(a, table()), daemon(b, table())
    assert_clean(ours.probe("-c", "5", "-i", "5ms"), 5)
