"""Rate limits: a listener's and a peer's, exact in what they count."""

from __future__ import annotations

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, wait_for
from tests.netns.conftest import Responder, table
from tests.netns.frames import Pdu, parse, request
from tests.netns.port import Port

FRAMES = 200
BURST = 64
"""What passes at once however low the rate."""
OTHER = "02:00:00:00:00:99"


def _flood(near: Port, ours: Daemon, *sources: str) -> dict[str, int]:
    """Send from these sources in turn, wait until all is counted; how many answers each got."""
    for seq in range(1, FRAMES + 1):
        near.send(*(request(src=src, pdu=Pdu(seq=seq)) for src in sources))
    wait_for(lambda: ours.listener()["received"] == FRAMES * len(sources), "all frames counted")
    answers = [parse(near.receive()) for _ in range(ours.listener()["replied"])]
    return {src: sum(answer.dst == src for answer in answers) for src in sources}


def test_rate_limit(responder: Responder, near: Port) -> None:
    """Above the listener's rate nothing is answered, whoever asks; each frame is counted once."""
    ours = responder(rate_limit=1, peer_rate_limit=0)
    got = _flood(near, ours, MAC_A, OTHER)
    listener = ours.listener()
    assert BURST <= listener["replied"] == sum(got.values()) < FRAMES
    assert listener["dropped"] == {"rate_limit": 2 * FRAMES - listener["replied"]}


def test_peer_rate_limit(responder: Responder, near: Port) -> None:
    """Each source has a bucket of its own: one that floods takes nothing from another."""
    ours = responder(peer_rate_limit=1)
    got = _flood(near, ours, MAC_A)
    assert BURST <= got[MAC_A] < FRAMES
    assert ours.listener()["dropped"] == {"peer_rate_limit": FRAMES - got[MAC_A]}
    near.send(request(src=OTHER))
    assert parse(near.receive()).dst == OTHER


def test_no_limit(responder: Responder, near: Port) -> None:
    """0 is no limit."""
    ours = responder(rate_limit=0, peer_rate_limit=0)
    assert _flood(near, ours, MAC_A, OTHER) == {MAC_A: FRAMES, OTHER: FRAMES}
    assert ours.listener()["dropped"] == {}


def test_limited_requests_count_as_received(responder: Responder, near: Port) -> None:
    """responder_seq counts before any limit: the initiator can tell this loss from one on its way."""
    responder(peer_rate_limit=1)
    for seq in range(1, FRAMES + 1):
        near.send(request(pdu=Pdu(seq=seq)))
    last = request(src=OTHER)
    near.send(last)
    answered = []
    while (reply := parse(near.receive())).dst != OTHER:
        answered.append((reply.pdu.seq, reply.pdu.responder_seq))
    assert all(seq == responder_seq for seq, responder_seq in answered)


def test_probe_above_the_limit_says_so(
    two_hosts: tuple[Host, Host], daemon: StartDaemon, responder: Responder
) -> None:
    """The requests reached the responder: no fault of the cable, and the summary tells."""
    far = responder(peer_rate_limit=50)
    summary = daemon(two_hosts[0], table()).probe("-q", "-i", "1ms", "-W", "200ms", "-c", "400", MAC_B)
    listener = far.listener()
    assert BURST <= summary["received"] == listener["replied"] < 400
    assert summary["lost"] == listener["dropped"]["peer_rate_limit"]
    assert listener["received"] == summary["sent"] == 400
    assert summary["received"] < summary["responders"][0]["requests_seen"] <= 400
    assert summary["lost_forward"] == summary["lost_responder"] == 0
    assert summary["lost_backward"] > 0
