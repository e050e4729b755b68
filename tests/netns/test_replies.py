"""What an answer looks like, and who gets one."""

from __future__ import annotations

import socket
import time

import pytest

from rawechod.packet import timestamps
from tests.lab import MAC_A, MAC_B, Host
from tests.netns.client import stopped
from tests.netns.conftest import ENGINES, Responder
from tests.netns.frames import BROADCAST, EX1, EX2, PAE, PAE_GROUP, Pdu, answered, parse, request
from tests.netns.port import BUFFER, SO_RCVBUFFORCE, Port

SECOND = 1_000_000_000
A_DAY = 86_400 * SECOND


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("listener", "ethertype"),
    [("ETH_P_ALL", EX1), ("ETH_P_ALL", EX2), ("ETH_P_ALL", PAE), ("ETH_P_PAE", PAE), ("ETH_P_802_EX1", EX1)],
)
def test_reply_is_the_request_byte_for_byte(
    responder: Responder, near: Port, listener: str, ethertype: int
) -> None:
    """But for the addresses, op and what the responder fills in; neither longer nor shorter."""
    responder(ethertype=listener)
    for size in (64, 65, 777, 1513, 1514):
        asked = request(ethertype=ethertype, size=size)
        near.send(asked)
        reply = near.receive()
        assert len(reply) == size
        assert reply == answered(asked, MAC_B, parse(reply).pdu)


@pytest.mark.parametrize("engine", ENGINES)
def test_padding_comes_back_too(responder: Responder, near: Port) -> None:
    """Octets behind the PDU that no length field accounts for are returned as they came."""
    responder()
    for ethertype in (EX1, PAE):
        asked = request(ethertype=ethertype, size=64) + b"\xde\xad\xbe\xef"
        near.send(asked)
        reply = near.receive()
        assert reply == answered(asked, MAC_B, parse(reply).pdu)


@pytest.mark.parametrize("engine", ENGINES)
def test_responder_stamps_and_counts(responder: Responder, near: Port) -> None:
    """responder_seq counts a session's requests; t2 and what follows it are on the machine's own clock."""
    responder()
    for count, session in [(1, 10), (2, 10), (1, 11), (3, 10)]:
        began = time.time_ns()
        near.send(request(pdu=Pdu(session=session, seq=700 + count)))
        pdu = parse(near.receive()).pdu
        assert (pdu.session, pdu.seq, pdu.responder_seq) == (session, 700 + count, count)
        assert began - SECOND <= pdu.t2 <= pdu.t2 + pdu.residence <= time.time_ns()


@pytest.mark.parametrize("engine", ENGINES)
def test_sessions_are_a_peers_own(responder: Responder, near: Port) -> None:
    """Two peers that chose the same session number do not count for one another."""
    responder()
    near.send(request(), request(src="02:00:00:00:00:77"), request(pdu=Pdu(seq=2)))
    assert [parse(near.receive()).pdu.responder_seq for _ in range(3)] == [1, 1, 2]


@pytest.mark.parametrize("engine", ENGINES)
def test_t1_is_the_initiators_business(responder: Responder, near: Port) -> None:
    """Any value is returned, however far off the responder's clock."""
    responder()
    for t1 in (0, 1, A_DAY, 2**64 - 1):
        near.send(request(pdu=Pdu(t1=t1, seq=2**32 - 1)))
        pdu = parse(near.receive()).pdu
        assert (pdu.seq, pdu.t1) == (2**32 - 1, t1)


@pytest.mark.parametrize("engine", ENGINES)
def test_group_requests_get_a_unicast_reply(responder: Responder, near: Port) -> None:
    """From the interface's own MAC to the asker's: never with a group for a source."""
    responder()
    for group in (BROADCAST, PAE_GROUP):
        for ethertype in (EX1, PAE):
            near.send(request(dst=group, ethertype=ethertype))
            reply = parse(near.receive())
            assert (reply.dst, reply.src) == (MAC_A, MAC_B)


def test_residence_ends_right_before_a_reply_leaves(
    two_hosts: tuple[Host, Host], responder: Responder, near: Port
) -> None:
    """Of many that are answered at once, too: none says that it left before those of the chunk before it had."""
    ours, amount, chunk = responder(rate_limit=0, peer_rate_limit=0), 200, 8
    with two_hosts[1].raw_socket("eth1") as tap:
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        tap.setsockopt(socket.SOL_SOCKET, timestamps.SO_TIMESTAMPNS, 1)
        with stopped(ours):
            near.send(*(request(pdu=Pdu(seq=seq)) for seq in range(amount)))
        left: list[int] = []
        said: list[int] = []
        while len(left) < amount:
            frame, ancillary, _, address = tap.recvmsg(2048, 64)
            if address[2] == socket.PACKET_OUTGOING:
                left.append(timestamps.decode(ancillary[0][2], 0))
                pdu = parse(frame).pdu
                said.append(pdu.t2 + pdu.residence)
    assert all(before <= after for before, after in zip(said, left, strict=True))
    assert all(before <= after for before, after in zip(left, said[chunk:], strict=False))


def test_both_directions_at_once(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """A daemon that probes is no worse a responder, and hears its own replies as replies only."""
    ours = responder()
    near.send(request())
    near.receive()
    probing = ours.probe("-c", "1", "-W", "0.2", MAC_A)  # nobody answers there
    assert (probing["sent"], probing["lost"]) == (1, 1)
    near.receive()  # the probe's request
    near.send(request(pdu=Pdu(seq=2)))
    assert parse(near.receive()).pdu.responder_seq == 2
    assert ours.listener()["dropped"] == {}


def test_a_listener_that_spins(responder: Responder, near: Port) -> None:
    """It answers as any other, whether it is awake or asleep when the frame comes."""
    ours = responder(spin="5ms")
    for seq in range(1, 20):
        near.send(request(pdu=Pdu(seq=seq)))
        assert parse(near.receive()).pdu.responder_seq == seq
    assert ours.listener()["replied"] == 19
