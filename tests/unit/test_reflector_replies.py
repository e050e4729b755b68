"""What `mode = "echo"` answers: octet by octet, and its counts and limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.echo.counters import SessionTable
from rawechod.echo.reflector import Arrival, Drop, Instant, Policy, Reflector, Reply
from rawechod.reasons import DropReason
from rawechod.wire import echo, ethernet
from rawechod.wire.ethernet import Tag
from tests.unit import frames
from tests.unit.frames import EX1, NOW, OTHER, OWN, PAE, PEER, arrival, eapol, frame, pdu, request

ALL = Policy(ethernet.ETH_P_ALL, OWN, mtu=1500)
RECEIVED_AT = NOW.wall - 4321


def reflected(octets: bytes, told: Arrival | None = None, reflector: Reflector | None = None) -> bytes:
    """The reply to a frame, which must have one."""
    answer = (reflector or Reflector(ALL)).reflect(octets, told or arrival(octets), NOW)
    assert isinstance(answer, Reply), answer
    return answer.frame


def responder_seq(reply: bytes) -> int:
    """The reply's `responder_seq`."""
    return echo.decode_frame(reply).pdu.responder_seq


@pytest.mark.parametrize("ethertype", [EX1, PAE, 0x0800, 0x88B6])
@pytest.mark.parametrize("tags", ["", "8100a064", "88a80001 81000002"], ids=["untagged", "802.1Q", "QinQ"])
def test_reply_octets(ethertype: int, tags: str) -> None:
    """Addresses are swapped; op and what is the responder's are filled in; all else is the request's."""
    octets = request(ethertype=ethertype, tags=bytes.fromhex(tags))
    body = pdu(op=2, responder_seq=1, t2=RECEIVED_AT, residence=4321, window=1)
    body = eapol(body) if ethertype == PAE else body
    expected = frame(body, dst=PEER, src=OWN, ethertype=ethertype, tags=bytes.fromhex(tags))
    assert reflected(octets, arrival(octets, received_at=RECEIVED_AT)) == expected


@pytest.mark.parametrize("tag", [Tag(0x8100, 0xA064), Tag(0x8100, 0), Tag(0x88A8, 0x1FFF)], ids=repr)
@pytest.mark.parametrize("inner", ["", "81000002"])
def test_tag_that_the_kernel_took_comes_back(tag: Tag, inner: str) -> None:
    """vid, pcp, dei and TPID stand behind the addresses again, before a tag that was below."""
    octets = request(tags=bytes.fromhex(inner))
    expected = frame(
        pdu(op=2, responder_seq=1, residence=2**32 - 1, window=1),
        dst=PEER,
        src=OWN,
        tags=tag.tpid.to_bytes(2) + tag.tci.to_bytes(2) + bytes.fromhex(inner),
    )
    assert reflected(octets, arrival(octets, tag=tag)) == expected


@pytest.mark.parametrize("group", [ethernet.BROADCAST, ethernet.PAE_GROUP], ids=ethernet.format_mac)
def test_group_requests_are_answered_by_unicast(group: bytes) -> None:
    """From the interface's own MAC to the asker."""
    reply = reflected(request(dst=group))
    assert reply[:12] == PEER + OWN


def test_padding_behind_the_envelope_stays() -> None:
    """The reply has the request's length, its padding included."""
    octets = frame(eapol(pdu()) + b"padding", ethertype=PAE)
    reply = reflected(octets)
    assert len(reply) == len(octets)
    assert reply.endswith(b"padding")


def test_no_receive_stamp_is_zero() -> None:
    """t2 is 0 where the kernel did not stamp."""
    assert echo.decode_frame(reflected(request())).pdu.t2 == 0


@given(
    st.sampled_from([EX1, PAE, 0x0800]),
    st.lists(frames.tags, max_size=2),
    st.none() | frames.tags,
    st.binary(max_size=1500),
    st.binary(max_size=40),
    st.integers(0, 9000),
)
def test_no_amplification(
    ethertype: int, inside: list[Tag], beside: Tag | None, payload: bytes, padding: bytes, mtu: int
) -> None:
    """A reply has its request's length on the wire, its tag included, and its payload; it is never answered."""
    tags = b"".join(tag.encode() for tag in inside)
    octets = request(ethertype=ethertype, tags=tags, payload=payload) + padding
    policy = replace(ALL, mtu=mtu)
    answer = Reflector(policy).reflect(octets, arrival(octets, tag=beside), NOW)
    if isinstance(answer, Drop):
        assert answer.reason is DropReason.TOO_LONG
        assert len(octets) + (4 if beside else 0) > mtu + 14
        return
    assert len(answer.frame) == len(octets) + (4 if beside else 0)
    assert answer.frame.endswith(payload + padding)
    far_end = Reflector(replace(policy, own_mac=PEER, mtu=65535))
    back = far_end.reflect(answer.frame, arrival(answer.frame), NOW)
    assert isinstance(back, Drop)
    # Three tags in the octets are one more than a decoder looks through.
    assert back.reason is DropReason.PROBE_REPLY or (beside and len(inside) == 2)


def test_responder_seq_counts_a_session() -> None:
    """1, 2, 3 whatever the seq says, a repeated request once; another session and another peer count from 1."""
    reflector = Reflector(ALL)
    asked: list[dict[str, Any]] = [{"seq": 5}, {"seq": 9}, {"session": 2}, {"src": OTHER}, {"seq": 6}, {"seq": 9}]
    counts = [responder_seq(reflected(request(**fields), reflector=reflector)) for fields in asked]
    assert counts == [1, 2, 1, 1, 3, 3]


def test_responder_seq_counts_before_any_limit() -> None:
    """Valid requests that a limit, the MTU or a lost tag leave unanswered are counted, others are not."""
    reflector = Reflector(replace(ALL, protocol_bound=True))
    long, tagged = request(seq=2, payload=bytes(1455)), request(seq=3)
    assert responder_seq(reflected(request(), reflector=reflector)) == 1
    unanswered = [(long, arrival(long)), (tagged, arrival(tagged, other_host=True))]
    uncounted = [request(seq=4, **fields) for fields in ({"dst": OTHER}, {"op": 2}, {"version": 1})]
    for octets, told in [*unanswered, *((octets, arrival(octets)) for octets in uncounted)]:
        assert isinstance(reflector.reflect(octets, told, NOW), Drop)
    assert responder_seq(reflected(request(seq=5), reflector=reflector)) == 4


def test_responder_seq_survives_a_change_of_the_interface() -> None:
    """Counts go on over `adopt`."""
    reflector = Reflector(ALL)
    reflected(request(), reflector=reflector)
    reflector.adopt(replace(ALL, mtu=9000))
    assert responder_seq(reflected(request(seq=2), reflector=reflector)) == 2


def test_a_session_that_is_not_kept_reads_zero() -> None:
    """With the table full of recent sessions a new one is answered with responder_seq 0."""
    reflector, capacity = Reflector(ALL), 4096
    for session in range(capacity):
        assert responder_seq(reflected(request(session=session), reflector=reflector)) == 1
    assert responder_seq(reflected(request(session=capacity), reflector=reflector)) == 0
    assert responder_seq(reflected(request(session=0, seq=2), reflector=reflector)) == 2
    later = NOW.monotonic + SessionTable.SILENCE
    fresh = request(session=capacity)
    answer = reflector.reflect(fresh, arrival(fresh), Instant(later, 0))
    assert isinstance(answer, Reply)
    assert responder_seq(answer.frame) == 1


def _admitted(
    reflector: Reflector, amount: int, now: int, src: bytes = PEER, first: int = 1
) -> list[Reply | Drop]:
    asked = [request(src=src, seq=seq) for seq in range(first, first + amount)]
    return [reflector.reflect(octets, arrival(octets), Instant(now, 0)) for octets in asked]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"rate_limit": 100}, DropReason.RATE_LIMIT), ({"peer_rate_limit": 100}, DropReason.PEER_RATE_LIMIT)],
)
def test_limits(limits: dict[str, int], reason: DropReason) -> None:
    """Above a limit requests are dropped under its reason, counted all the same; later ones are answered."""
    reflector = Reflector(ALL, **limits)
    answers = _admitted(reflector, 200, now=10**12)
    dropped = [answer for answer in answers if answer == Drop(reason)]
    assert 0 < len(dropped) < 200
    assert answers[-1] == Drop(reason)
    (later,) = _admitted(reflector, 1, now=10**12 + 10**10, first=201)
    assert isinstance(later, Reply)
    assert responder_seq(later.frame) == 201


def test_one_peer_above_its_limit_leaves_others_alone() -> None:
    """The limit of one source is not another's."""
    reflector = Reflector(ALL, rate_limit=0, peer_rate_limit=100)
    assert _admitted(reflector, 200, 10**12)[-1] == Drop(DropReason.PEER_RATE_LIMIT)
    assert isinstance(_admitted(reflector, 1, 10**12, src=OTHER)[0], Reply)


def test_no_limit() -> None:
    """0 means none."""
    answers = _admitted(Reflector(ALL, 0, 0), 5000, now=10**12)
    assert all(isinstance(answer, Reply) for answer in answers)
