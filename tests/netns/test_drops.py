"""Every frame that is not answered, counted under its reason."""

from __future__ import annotations

import itertools
import secrets
import select
import threading

import pytest

from rawechod.echo import accelerator
from rawechod.echo.epoll_engine import EpollEngine
from tests.lab import MAC_A, MAC_B, Host, wait_for
from tests.netns.client import stopped
from tests.netns.conftest import ENGINES, Responder, table
from tests.netns.frames import (
    BROADCAST,
    DOT1AD,
    EX1,
    PAE,
    PAE_GROUP,
    REPLY,
    ZERO,
    Pdu,
    Tag,
    eapol,
    header,
    parse,
    request,
)
from tests.netns.in_process import listening
from tests.netns.port import Port

OTHER = "02:00:00:00:00:99"
GROUPS = [BROADCAST, PAE_GROUP, "33:33:00:00:00:01"]
PADDING = bytes(46)

# By reason: what a listener for 0x88B5 alone drops.
BAD: dict[str, list[bytes]] = {
    "too_short": [
        header(),
        header() + b"\x52",
        header() + Pdu().octets()[:45],
        header(tags=(Tag(7),)) + Pdu().octets()[:45],
    ],
    "bad_magic": [header() + PADDING, request(pdu=Pdu(magic=0x4552)), header() + b"HELLO".ljust(46)],
    "bad_version": [request(pdu=Pdu(version=version)) for version in (0, 1, 3, 255)],
    "bad_op": [request(pdu=Pdu(op=op)) for op in (0, 3, 255)],
    "reply": [request(dst=OTHER, pdu=Pdu(op=REPLY)), request(dst=BROADCAST, pdu=Pdu(op=REPLY))],
    "own_frame": [request(src=MAC_B), request(dst=BROADCAST, src=MAC_B), request(src=MAC_B, tags=(Tag(9),))],
    "bad_source": [request(src=src) for src in [ZERO, *GROUPS]],
    "not_for_us": [request(dst=dst) for dst in (MAC_A, OTHER, ZERO, PAE_GROUP, "33:33:00:00:00:01")],
}
# What a listener for ETH_P_PAE drops beside it.
BAD_EAPOL: dict[str, list[bytes]] = {
    "too_short": [header(ethertype=PAE) + b"\x03\xec\x00", header(ethertype=PAE) + eapol(b"RE")],
    "bad_length": [header(ethertype=PAE) + eapol(Pdu().octets(), length=length) for length in (47, 0xFFFF)],
    "bad_magic": [header(ethertype=PAE) + eapol(PADDING)],
    "foreign": [header(ethertype=PAE) + eapol(Pdu().octets(), kind=kind) for kind in (0, 1, 2, 3, 4, 5, 8, 255)],
    "not_for_us": [request(dst=OTHER, ethertype=PAE)],
    "own_frame": [request(src=MAC_B, ethertype=PAE)],
}


CASES = [("ETH_P_802_EX1", EX1, BAD), ("ETH_P_PAE", PAE, BAD_EAPOL)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "ethertype", "bad"), CASES, ids=[case[0] for case in CASES])
def test_drop_reasons(
    responder: Responder, near: Port, name: str, ethertype: int, bad: dict[str, list[bytes]]
) -> None:
    """Of each kind none is answered, all are counted under its name, the next good one is answered."""
    ours = responder(ethertype=name, tap="all")
    expected: dict[str, int] = {}
    for reason, frames in bad.items():
        assert near.answers(*frames, ethertype=ethertype) == [], reason
        expected[reason] = len(frames)
        listener = ours.listener()
        assert listener["dropped"] == expected
        assert listener["received"] == sum(expected.values()) + listener["replied"]
    assert listener["replied"] == len(bad)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_filter_keeps_away(responder: Responder, near: Port) -> None:
    """Under ETH_P_ALL a frame without the magic never reaches the daemon, so it is not counted either."""
    ours = responder(ethertype="ETH_P_ALL")
    foreign = [
        *BAD["bad_magic"],
        *BAD_EAPOL["foreign"],
        header(ethertype=0x0800) + PADDING,
        header(ethertype=0x2E),
    ]
    assert near.answers(*foreign, *BAD["too_short"][:2]) == []
    assert ours.listener()["received"] == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_length_field_is_no_ethertype(responder: Responder, near: Port) -> None:
    """An IEEE 802.3 frame whose payload begins like a request is not answered."""
    ours = responder(ethertype="ETH_P_ALL")
    assert near.answers(header(ethertype=46) + request()[14:], header(ethertype=0x05FF) + request()[14:]) == []
    assert ours.listener()["replied"] == 1


def test_other_ethertypes_are_not_heard(responder: Responder, near: Port) -> None:
    """A listener for 0x88B5 leaves requests under others alone."""
    ours = responder(ethertype="ETH_P_802_EX1", tap="all")
    assert near.answers(request(ethertype=PAE), request(ethertype=0x88B6)) == []
    assert ours.listener()["received"] == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_allow_list(responder: Responder, near: Port) -> None:
    """Only those who are named are answered, broadcast or not."""
    ours = responder(allow=[MAC_A, OTHER])
    strangers = [request(src="02:00:00:00:00:98"), request(dst=BROADCAST, src="02:00:00:00:00:98")]
    assert near.answers(*strangers) == []
    assert len(near.answers(request(src=OTHER))) == 1
    assert ours.listener()["dropped"] == {"not_allowed": 2}


@pytest.mark.parametrize("engine", ENGINES)
def test_longer_than_the_mtu(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """A frame that could not go back is not answered; one octet less can. Room is left for a C-tag alone."""
    two_hosts[0].ip("link", "set", "eth1", "mtu", "1600")
    ours = responder(tap="all")
    c, s = Tag(5), Tag(5, tpid=DOT1AD)
    for size, tags in ((1514, ()), (1514, (c,)), (1510, (s,)), (1510, (c, c)), (1506, (s, c))):
        asked = request(size=size, tags=tags)
        (reply,) = near.answers(asked)
        assert len(reply) == len(asked)
    # The cable lets four octets more than the MTU's pass, whatever they are.
    long = [request(size=size) for size in (1515, 1518)]
    long += [request(size=1511, tags=(s,)), request(size=1514, tags=(s,)), request(size=1507, tags=(s, c))]
    assert near.answers(*long) == []
    assert ours.listener()["dropped"] == {"too_long": len(long)}


def test_reply_that_the_kernel_refuses(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """The other end can take no such frame any more: counted as not answered, by errno."""
    ours = responder()
    with stopped(ours):
        near.send(request(size=1400))
        two_hosts[0].ip("link", "set", "eth1", "mtu", "1000")
    assert near.settle() == []
    listener = ours.listener()
    assert (listener["dropped"], listener["transmit_errors"]) == ({"transmit_error": 1}, {"ENOBUFS": 1})
    assert listener["received"] == listener["replied"] + 1


def test_stats_tell_the_same(responder: Responder, near: Port) -> None:
    """`rawechoctl stats` has the counters of `status`, as text too."""
    ours = responder(ethertype="ETH_P_802_EX1")
    near.answers(*BAD["bad_op"], *BAD["reply"])
    (counters,) = ours.objects("stats")[0]["listeners"]
    assert counters.items() <= ours.listener().items()
    assert counters["dropped"] == {"bad_op": 3, "reply": 2}
    assert "3  dropped: bad_op" in ours.ctl("stats").stdout


def test_two_listeners_on_one_interface(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """Each hears its EtherType, and each request is answered once."""
    ours = responder(ethertype="ETH_P_802_EX1")
    assert ours.reload(table(ethertype="ETH_P_802_EX1") + table(ethertype="ETH_P_PAE")).returncode == 0
    near.send(request(), request(ethertype=PAE), request(dst=BROADCAST))
    assert len(near.settle() + near.settle(PAE)) == 3
    assert [ours.listener(index)["replied"] for index in (0, 1)] == [3, 2]


def last_answer(near: Port) -> tuple[bytes, int]:
    """Ask until the last question is answered, for they may get lost too: the answer, and how many were asked."""
    for asked in itertools.count(1):
        session = secrets.randbits(32)
        near.send(request(pdu=Pdu(session=session)))
        while select.select([near], [], [], 2)[0]:
            reply = near.receive()
            if parse(reply).pdu.session == session:
                return reply, asked
    raise AssertionError


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "c"])
def test_what_found_the_buffer_full_is_counted(
    two_hosts: tuple[Host, Host], near: Port, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each lost frame is counted, once, also over another socket; the next reply says how many, modulo 65536."""
    monkeypatch.setattr(accelerator, "available", lambda: compiled)
    held, ready = threading.Lock(), EpollEngine._ready

    def holdable(engine: EpollEngine, events: int) -> None:
        with held:
            ready(engine, events)

    monkeypatch.setattr(EpollEngine, "_ready", holdable)
    many = [request(pdu=Pdu(op=7))] * 1000
    sent = 0
    with listening(two_hosts[1], engine="epoll", rate_limit=0, peer_rate_limit=0) as listener:
        for mtu in (None, "9000", "1500"):
            with held:
                for _ in range(70):
                    near.send(*many)
            reply, asked = last_answer(near)
            sent += 70_000 + asked
            with held:
                status = listener.status()
            lost = status.kernel_drops
            assert lost == sent - status.received
            assert lost > 0
            assert parse(reply).pdu.dropped == lost % 65536
            if mtu:
                two_hosts[1].ip("link", "set", "eth1", "mtu", mtu)
                wait_for(lambda mtu=mtu: listener.policy().mtu == int(mtu), "the new MTU")  # type: ignore[misc,union-attr]


def test_a_stopped_daemon_tells_what_it_lost(responder: Responder, near: Port) -> None:
    """To whoever asks, and in its status; a reload that changes the listener does not make it forget."""
    ours = responder(rate_limit=0, peer_rate_limit=0, ethertype="ETH_P_802_EX1")
    with stopped(ours):
        for _ in range(70):
            near.send(*[request(pdu=Pdu(op=7))] * 1000)
    reply, asked = last_answer(near)
    lost = 70_000 + asked - ours.listener()["received"]
    assert lost == ours.listener()["kernel_drops"] > 0
    assert parse(reply).pdu.dropped == lost % 65536
    assert ours.reload(table(ethertype="ETH_P_802_EX1", rate_limit=5000)).returncode == 0
    (reply,) = near.answers(request())
    assert parse(reply).pdu.dropped == lost % 65536
    assert ours.listener()["kernel_drops"] == 0


def test_losses_at_the_end_of_a_burst(responder: Responder, near: Port) -> None:
    """What was lost behind the last frame that found room: the replies to those before it say so."""
    ours = responder(rate_limit=0, peer_rate_limit=0)
    with stopped(ours):
        for first in range(0, 40_000, 1000):
            near.send(*(request(pdu=Pdu(seq=seq)) for seq in range(first, first + 1000)))
    wait_for(lambda: ours.listener()["received"] + ours.listener()["kernel_drops"] == 40_000, "all counted")
    replies = [parse(frame).pdu for frame in near.settle()]
    lost = [pdu.dropped for pdu in replies if pdu.seq == max(each.seq for each in replies)]
    assert lost == [ours.listener()["kernel_drops"] % 65536]
    assert lost != [0]
