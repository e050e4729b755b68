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
from rawechod.echo.accelerator import Accelerator, Tables
from rawechod.echo.counters import Counters, SessionState
from rawechod.echo.peers import MOST_PEERS, Memory, PeerState
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
    "a list of sources": replace(ALL, allow=frozenset({PEER})),
    "lo": replace(ALL, own_mac=bytes(6), loopback_device=True),
}


@dataclass
class Bench:
    """An accelerator between two sockets."""

    fast: Accelerator
    tables: Tables
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
        values = counters.values()
        reasons = [*values.dropped, *[DropReason.PROBE_REPLY.value] * values.probe_replies]
        return replies[0] if replies else DropReason(*reasons)


@contextmanager
def bench(policy: Policy, rate_limit: int = 0, peer_rate_limit: int = 0) -> Iterator[Bench]:
    """An accelerator with this policy."""
    assert accelerator.available(), "`make setup` builds it"
    with accelerated(native.settings(policy, rate_limit, peer_rate_limit)) as bench:
        bench.tables.allow(policy.allow)
        yield bench


@contextmanager
def accelerated(settings: native.Settings) -> Iterator[Bench]:
    """An accelerator with these settings, and tables of its own."""
    with datagrams.pair() as (near, far):
        tables = Tables()
        fast = Accelerator(near, SLOT, settings, tables)
        yield Bench(fast, tables, near, far)
        fast.close()
        tables.close()


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


@pytest.mark.parametrize("amount", [1, 2, 3, 1000])
def test_allow_lists(amount: int) -> None:
    """Those that are named are answered, however many they are; all others are left alone."""
    allowed = [bytes([2, 7, *number.to_bytes(4)]) for number in range(10, 10 + amount)]
    strangers = [bytes([2, 7, *number.to_bytes(4)]) for number in (0, 9, 10 + amount, 1 << 31)]
    with bench(replace(ALL, allow=frozenset(allowed))) as fast:
        assert all(isinstance(fast.answer(frames.request(src=src)), bytes) for src in allowed)
        assert {fast.answer(frames.request(src=src)) for src in (*strangers, PEER)} == {None}


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
        census = fast.tables.census()
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
        census = fast.tables.census()
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


def test_a_trace_is_told_of_every_frame() -> None:
    """As it came, with what the kernel said of it and what became of it; without one nothing is."""
    sent = [
        frames.request(seq=1, payload=bytes(100)),
        frames.request(op=3),
        frames.request(payload=bytes(155)),
        b"\2",
    ]
    with bench(ALL) as fast:
        fast.fast.trace(True)
        for octets in sent:
            fast.far.send(octets)
        traced = fast.fast.traced(fast.fast.serve())
    assert [one.received.frame for one in traced] == [octets[:64] for octets in sent]
    assert [one.received.length for one in traced] == [len(octets) for octets in sent]
    assert [native.VERDICTS[one.verdict] for one in traced] == [None, None, DropReason.TOO_LONG, None]
    assert [one.verdict for one in traced] == [native.REPLY, native.PASS, traced[2].verdict, native.PASS]


def test_a_trace_is_told_which_replies_were_refused() -> None:
    """Each in its place."""
    sent = [frames.request(op=3), frames.request(seq=1), frames.request(seq=2)]
    with bench(ALL) as fast:
        fast.fast.trace(True)
        for octets in sent:
            fast.far.send(octets)
        fast.far.shutdown(socket.SHUT_RD)
        assert [one.refused for one in fast.fast.traced(fast.fast.serve())] == [False, True, True]


def test_tables_outlive_their_socket() -> None:
    """Another engine on the same tables goes on counting."""
    with bench(ALL, 0, 1) as first, datagrams.pair() as (near, far):
        assert [_seq(first.answer(frames.request(seq=seq))) for seq in range(1, 66)] == list(range(1, 66))
        fast = Accelerator(near, SLOT, native.settings(ALL, 0, 1), first.tables)
        second = Bench(fast, first.tables, near, far)
        assert second.answer(frames.request(seq=66)) is DropReason.PEER_RATE_LIMIT
        assert _seq(second.answer(frames.request(seq=1, src=OTHER))) == 1
        fast.close()
        assert first.tables.census().peers[PEER][:2] == (66, 65)


def test_a_memory_changes_hands() -> None:
    """From C to the reflector and back: sessions, buckets and counts are the same."""
    with bench(ALL, 1000, 1) as first, bench(ALL, 1000, 1) as second:
        for seq in (1, 2, 4, 4, 3, 9000, *range(5, 70)):
            first.answer(frames.request(seq=seq))
        first.answer(frames.request(src=OTHER, session=7))
        census, memory = first.tables.census(), first.tables.export()
        assert first.tables.export() == Memory([], [])
        reflector = Reflector(ALL, 1000, 1)
        reflector.import_(memory)
        assert reflector.peers.census() == census
        second.tables.import_(reflector.export())
        assert second.tables.census() == census
        assert _sorted(second.tables.export()) == _sorted(memory)
    assert {(one.peer, one.number, one.received, one.highest, one.jump) for one in memory.sessions} == {
        (PEER, frames.SESSION, 69, 69, 9000),
        (OTHER, 7, 1, 1, None),
    }


def _sorted(memory: Memory) -> Memory:
    return memory._replace(sessions=sorted(memory.sessions), peers=sorted(memory.peers))


def test_memories_meet_in_c() -> None:
    """As in Python: the session that was used last goes on, counts add up, the emptier bucket is kept."""
    newer, older = (SessionState(PEER, 7, last, count, 1, count) for last, count in ((9, 5), (8, 50)))
    for order in ([newer, older], [older, newer]):
        with bench(ALL) as fast:
            for session, due in zip(order, (3, 2), strict=True):
                fast.tables.import_(Memory([session], [PeerState(PEER, due, 4, 1, due)], 6, due))
            assert fast.tables.export() == Memory([newer], [PeerState(PEER, 3, 8, 2, 3)], 12, 3)


def test_nobody_can_choose_whom_a_peer_shares_a_set_with() -> None:
    """Twelve MACs that met in one set of eight when the hash had no key: their buckets are their own."""
    met = _meeting(12)
    for _ in range(20):
        with bench(ALL, 0, 1) as fast:
            for src in met:
                for seq in range(70):
                    fast.answer(frames.request(src=src, seq=seq))
            if len(fast.tables.census().peers) == len(met):
                return
    raise AssertionError("they share a set whatever the key is")


def _meeting(amount: int) -> list[bytes]:
    """MACs of the same place under a multiplication that everybody knows."""
    found: list[bytes] = []
    for number in itertools.count():
        mac = 0x020000000000 | number
        if (mac * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 40 & MOST_PEERS // 8 - 1 == 5:
            found.append(mac.to_bytes(6))
            if len(found) == amount:
                break
    return found
