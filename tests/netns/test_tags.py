"""VLAN tags: kept in every reply, and never lost into another VLAN."""

from __future__ import annotations

import pytest

from tests.lab import MAC_B, Host, wait_for
from tests.netns.conftest import ENGINES, Responder
from tests.netns.frames import BROADCAST, DOT1AD, EX1, PAE, PAE_GROUP, Tag, answered, parse, request
from tests.netns.port import Port, port

ETHERTYPES = {"ETH_P_ALL": EX1, "ETH_P_PAE": PAE, "ETH_P_802_EX1": EX1}
TAGS = [
    (Tag(100),),
    (Tag(4094, pcp=7, dei=1),),
    (Tag(1, pcp=5),),
    (Tag(0, pcp=0),),
    (Tag(0, pcp=6),),
    (Tag(200, pcp=3, tpid=DOT1AD),),
    (Tag(300, pcp=2, tpid=DOT1AD), Tag(30, pcp=4, dei=1)),
    (Tag(300), Tag(30)),
    (),
]
each_listener = pytest.mark.parametrize("listener", ETHERTYPES)


@pytest.mark.parametrize("engine", ENGINES)
@each_listener
def test_tags_come_back(responder: Responder, near: Port, listener: str) -> None:
    """vid, pcp, dei, TPID and the number of tags are those of the request, at any place of the scale."""
    responder(ethertype=listener, tap="all")
    for tags in TAGS:
        asked = request(ethertype=ETHERTYPES[listener], tags=tags, size=64)
        near.send(asked)
        heard = near.hear()
        assert heard.frame == answered(asked, MAC_B, parse(heard.frame).pdu), tags
        assert heard.untagged_by_kernel == bool(tags)


@each_listener
def test_the_request_was_tagged_at_the_far_end_too(
    two_hosts: tuple[Host, Host], near: Port, listener: str
) -> None:
    """What these tests send is a real tag to the far host's kernel, which takes it out and tells it beside."""
    with port(two_hosts[1]) as far:
        for tags in TAGS:
            asked = request(ethertype=ETHERTYPES[listener], tags=tags)
            near.send(asked)
            assert far.hear() == (asked, bool(tags))


@pytest.mark.parametrize("engine", ENGINES)
@each_listener
def test_group_requests_are_answered_in_their_vlan(responder: Responder, near: Port, listener: str) -> None:
    """Discovery works within a VLAN."""
    responder(ethertype=listener, tap="all")
    groups = [BROADCAST] if listener == "ETH_P_802_EX1" else [BROADCAST, PAE_GROUP]
    for group in groups:
        asked = request(dst=group, ethertype=ETHERTYPES[listener], tags=(Tag(77, pcp=1),))
        near.send(asked)
        reply = near.receive()
        assert reply == answered(asked, MAC_B, parse(reply).pdu)


@pytest.mark.parametrize("listener", ["ETH_P_PAE", "ETH_P_802_EX1"])
def test_a_lost_tag_is_not_answered(responder: Responder, near: Port, listener: str) -> None:
    """A protocol-bound socket can't know the VLAN: the frame is dropped as tag_lost, and status says why."""
    ours = responder(ethertype=listener, tap="protocol")
    kind = ETHERTYPES[listener]
    tagged = [request(ethertype=kind, tags=(Tag(100),)), request(ethertype=kind, tags=(Tag(5, 3, 1, DOT1AD),))]
    assert near.answers(*tagged, ethertype=kind) == []
    assert ours.listener()["dropped"] == {"tag_lost": len(tagged)}
    assert any('tap = "all"' in note for note in ours.listener()["notes"])


@pytest.mark.parametrize("group", [BROADCAST, PAE_GROUP])
def test_a_lost_tag_of_a_group_request_is_not_answered(responder: Responder, near: Port, group: str) -> None:
    """Nor is a question to everybody in one VLAN answered into another."""
    ours = responder(ethertype="ETH_P_PAE", tap="protocol")
    assert near.answers(request(dst=group, ethertype=PAE, tags=(Tag(100),)), ethertype=PAE) == []
    assert ours.listener()["dropped"] == {"tag_lost": 1}


def test_auto_binds_to_the_protocol_and_status_says_so(responder: Responder, near: Port) -> None:
    """On an ordinary interface `tap = "auto"` is "protocol": QinQ is not even heard."""
    ours = responder(ethertype="ETH_P_802_EX1")
    assert ours.listener()["tap"] == "protocol"
    assert near.answers(request(tags=(Tag(300, tpid=DOT1AD), Tag(30)))) == []
    assert ours.listener()["received"] == 1  # the last good request


def test_promiscuous_listener_holds_the_flag(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """`promiscuous = true` is seen by the kernel, and ends with the daemon."""
    b = two_hosts[1]
    ours = responder(ethertype="ETH_P_802_EX1", promiscuous=True)
    assert b.link("eth1")["promiscuity"] == 1
    assert ours.stop() == 0
    wait_for(lambda: b.link("eth1")["promiscuity"] == 0, "the flag's end")
