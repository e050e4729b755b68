"""The responder's fast path in C decides as the reflector does, and leaves to it what it does not decide."""

from __future__ import annotations

import itertools
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from rawechod.echo import accelerator, native
from rawechod.echo.accelerator import Accelerator
from rawechod.echo.counters import Counters
from rawechod.echo.peers import MOST_PEERS
from rawechod.echo.reflector import Arrival, Instant, Policy, Reflector, Reply
from rawechod.reasons import DropReason
from rawechod.wire import echo, ethernet
from tests.unit import datagrams, frames
from tests.unit.frames import EX1, OTHER, OWN, PAE, PEER
from tests.unit.mutants import AMOUNT, arbitrary

MTU = 200
SLOT = MTU + 14 + 8
TAGS = [b"", bytes.fromhex("8100a064"), bytes.fromhex("88a80001 81000002")]
VALID = [
    frames.request(dst=dst, ethertype=ethertype, tags=tags)
    for dst in (OWN, ethernet.BROADCAST, ethernet.PAE_GROUP)
    for ethertype in (EX1, PAE)
    for tags in TAGS
]
VALID += [
    frames.request(dst=dst, ethertype=ethertype, tags=tags, payload=bytes(size))
    for dst, ethertype in ((OWN, EX1), (OWN, PAE), (bytes(6), EX1))
    for tags in TAGS
    for size in (150, 154, 155, 250)
]
VALID += [frames.request(src=src) for src in (OWN, bytes(6), ethernet.BROADCAST)] + [frames.request(op=2)]
ALL = Policy(ethernet.ETH_P_ALL, OWN, MTU)
POLICIES = {
    "every EtherType": ALL,
    "PAE": replace(ALL, ethertype=PAE),
    "802_EX1, bound to it": replace(ALL, ethertype=EX1, protocol_bound=True),
    "lo": replace(ALL, own_mac=bytes(6), loopback_device=True),
}


@dataclass
class Bench:
    """An accelerator between two sockets."""

    fast: Accelerator
    near: socket.socket
    far: socket.socket

    def answer(self, octets: bytes) -> bytes | DropReason | None:
        """The reply to a frame, the reason of its drop, or None where it is left to the reflector."""
        counters = Counters()
        self.fast.flush(counters)
        self.far.send(octets)
        assert self.fast.serve() == 1
        replies, left = datagrams.waiting(self.far), self.fast.unhandled
        if left:
            assert replies == []
            assert [(one.frame, one.length) for one in left] == [(octets[:SLOT], len(octets))]
            return None
        counters = Counters()
        self.fast.flush(counters)
        assert counters.received == 1
        assert counters.replied == len(replies)
        return replies[0] if replies else DropReason(*counters.values().dropped)


@contextmanager
def bench(policy: Policy, rate_limit: int = 0, peer_rate_limit: int = 0) -> Iterator[Bench]:
    """An accelerator with this policy."""
    assert accelerator.available(), "`make setup` builds it"
    with datagrams.pair() as (near, far):
        fast = Accelerator(near, SLOT, native.settings(policy, rate_limit, peer_rate_limit))
        yield Bench(fast, near, far)
        fast.close()


def without_residence(reply: bytes) -> bytes:
    """The two read the clock at different times."""
    at = echo.decode_frame(reply).offset + echo.RESIDENCE_OFFSET
    return reply[:at] + bytes(4) + reply[at + 4 :]


def reflected(reflector: Reflector, octets: bytes) -> bytes | DropReason:
    """What the reflector makes of a frame that is cut as the accelerator's slots cut it."""
    answer = reflector.reflect(octets[:SLOT], Arrival(len(octets)), Instant(1, 1))
    return answer.frame if isinstance(answer, Reply) else answer.reason


def chunks(size: int = 500) -> Iterator[list[bytes]]:
    """Arbitrary frames, few enough at a time that no table of sessions fills."""
    source = arbitrary(VALID)
    while chunk := list(itertools.islice(source, size)):
        yield chunk


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_agrees_with_the_reflector(policy: Policy) -> None:
    """The same reply or the same reason; what it leaves alone the reflector drops, for reasons of its own."""
    outcomes = {"replied": 0, "dropped": 0, "left": 0}
    for chunk in chunks():
        reflector = Reflector(policy)
        with bench(policy) as fast:
            for octets in chunk:
                outcomes[_compared(fast.answer(octets), reflected(reflector, octets), octets)] += 1
    assert sum(outcomes.values()) == AMOUNT
    assert min(outcomes.values()) > AMOUNT // 1000


def _compared(ours: bytes | DropReason | None, theirs: bytes | DropReason, octets: bytes) -> str:
    if isinstance(ours, bytes):
        assert isinstance(theirs, bytes), octets.hex()
        assert without_residence(ours) == without_residence(theirs), octets.hex()
        return "replied"
    if ours is None:
        assert isinstance(theirs, DropReason), octets.hex()
        return "left"
    assert ours is theirs, octets.hex()
    return "dropped"


def test_allow_lists_are_the_reflectors() -> None:
    """With an allow list every request is left alone."""
    with bench(replace(ALL, allow=frozenset({PEER}))) as fast:
        assert fast.answer(frames.request()) is None


@pytest.mark.parametrize(
    ("limits", "reason"), [((1, 0), DropReason.RATE_LIMIT), ((0, 1), DropReason.PEER_RATE_LIMIT)]
)
def test_limits(limits: tuple[int, int], reason: DropReason) -> None:
    """As the reflector's: at one frame a second a burst of 65 passes, the rest of the rush does not."""
    with bench(ALL, *limits) as fast:
        answers = [fast.answer(frames.request(seq=seq)) for seq in range(1, 201)]
        replies = [answer for answer in answers if isinstance(answer, bytes)]
        assert all(isinstance(answer, bytes) for answer in answers[:65])
        assert answers[-1] is reason
        assert len(replies) < 200
        other = fast.answer(frames.request(src=OTHER))
        assert (other is reason) == (reason is DropReason.RATE_LIMIT)


@pytest.mark.parametrize("limits", [(0, 0), (0, 1), (1, 0)])
def test_peers_are_counted_as_the_reflector_does(limits: tuple[int, int]) -> None:
    """Before any limit those that came, behind them those that were answered."""
    asked = [frames.request(), frames.request(payload=bytes(155)), *[frames.request(src=OTHER)] * 100]
    replied: Counter[bytes] = Counter()
    with bench(ALL, *limits) as fast:
        for octets in asked:
            replied[octets[6:12]] += isinstance(fast.answer(octets), bytes)
        census = fast.fast.census()
    assert {mac: counts[:2] for mac, counts in census.peers.items()} == {
        PEER: (2, replied[PEER]),
        OTHER: (100, replied[OTHER]),
    }
    assert census.peers[PEER][2] < census.peers[OTHER][2]


@pytest.mark.parametrize("limit", [0, 1])
def test_more_peers_than_there_is_room_for(limit: int) -> None:
    """No frame gets lost: what is no peer's own is in one sum. Who is silent makes room, where limits permit."""
    sources = [bytes([2, 9, *number.to_bytes(4)]) for number in range(2 * MOST_PEERS)]
    with bench(ALL, 0, limit) as fast:
        for source in sources:
            fast.answer(frames.request(src=source))
        census = fast.fast.census()
    assert len(census.peers) <= MOST_PEERS
    assert sum(received for received, _, _ in census.peers.values()) + census.forgotten == len(sources)
    assert limit or {*sources[-MOST_PEERS // 8 :]} <= set(census.peers)


def test_sessions_count_before_the_limits() -> None:
    """responder_seq goes on while nothing is answered."""
    with bench(ALL) as fast:
        assert _seq(fast.answer(frames.request())) == 1
        assert fast.answer(frames.request(seq=2, payload=bytes(155))) is DropReason.TOO_LONG
        assert _seq(fast.answer(frames.request(seq=3))) == 3
        assert _seq(fast.answer(frames.request(session=5))) == 1


def test_adopting_another_policy() -> None:
    """A new MAC is ours at once; sessions go on."""
    with bench(ALL) as fast:
        assert _seq(fast.answer(frames.request())) == 1
        fast.fast.adopt(native.settings(replace(ALL, own_mac=OTHER), 0, 0))
        assert fast.answer(frames.request()) is None
        assert _seq(fast.answer(frames.request(dst=OTHER, seq=2))) == 2


def _seq(reply: bytes | DropReason | None) -> int:
    assert isinstance(reply, bytes)
    return echo.decode_frame(reply).pdu.responder_seq


def test_a_batch() -> None:
    """Answered, dropped and left frames in one go, each in its place."""
    sent = [frames.request(seq=seq) for seq in range(1, 6)]
    sent[1], sent[3] = frames.request(payload=bytes(155)), frames.request(op=3)
    with bench(ALL) as fast:
        for octets in sent:
            fast.far.send(octets)
        assert fast.fast.serve() == 5
        assert [echo.decode_frame(reply).pdu.seq for reply in datagrams.waiting(fast.far)] == [1, 3, 5]
        assert [one.frame for one in fast.fast.unhandled] == [sent[3]]
        assert fast.fast.refused == []
        assert fast.fast.serve() == 0
        assert fast.fast.unhandled == []


def test_refused_replies_are_told() -> None:
    """By their errno; the batch goes on."""
    with bench(ALL) as fast:
        for seq in range(3):
            fast.far.send(frames.request(seq=seq))
        fast.far.shutdown(socket.SHUT_RD)
        assert fast.fast.serve() == 3
        assert len(fast.fast.refused) == 3
