"""What a listener knows of its peers: a bucket each, true counts, and memory that is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.echo.breaker import StormBreaker
from rawechod.echo.counters import SessionState, SessionTable
from rawechod.echo.loopback import LoopbackReflector
from rawechod.echo.peers import Census, Memory, PeerState, PeerTable
from rawechod.echo.reflector import Drop, Policy, Reflector, Reply
from rawechod.reasons import DropReason
from rawechod.wire import ethernet
from tests.unit import frames
from tests.unit.frames import NOW, OWN, PEER

SECOND = 10**9
START = 10**12
A, B, C = (bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3))


def admits(table: PeerTable, mac: bytes, now: int = START) -> bool:
    """Whether a frame of this peer passes its limit; counted as the reflector does."""
    peer = table.receive(mac, now)
    passes = peer.bucket.admits(now)
    peer.replied += passes
    return passes


def exhausted(table: PeerTable, mac: bytes, now: int = START) -> None:
    """Send until the peer's bucket is empty."""
    while admits(table, mac, now):
        pass


def known(table: PeerTable) -> set[bytes]:
    """The peers that are remembered."""
    return set(table.census().peers)


def test_counts() -> None:
    """A peer's frames, those that passed, and when the last one came."""
    table = PeerTable(1)
    exhausted(table, A)
    admits(table, B, START + 5)
    assert table.census() == Census({A: (66, 65, START), B: (1, 1, START + 5)})


def test_peers_have_buckets_of_their_own() -> None:
    """One above its limit is refused, another is not; without a limit nobody is."""
    table = PeerTable(100)
    exhausted(table, A)
    assert not admits(table, A)
    assert admits(table, B)
    unlimited = PeerTable(0)
    assert all(admits(unlimited, A) for _ in range(1000))


def test_full_table_makes_room_by_forgetting_full_buckets() -> None:
    """A peer that has been silent for long makes room; of its limit it loses nothing."""
    table = PeerTable(100, capacity=2)
    exhausted(table, A)
    exhausted(table, B)
    later = START + 10 * SECOND
    assert admits(table, C, later)
    assert known(table) == {B, C}
    exhausted(table, C, later)
    assert admits(table, A, later)


def test_strangers_share_one_bucket() -> None:
    """With no room newcomers share a bucket: inventing sources gains nothing; the known keep theirs."""
    table = PeerTable(100, capacity=2)
    exhausted(table, A)
    assert admits(table, B)
    strangers = [bytes([6, *number.to_bytes(5)]) for number in range(10_000)]
    assert 0 < sum(admits(table, stranger) for stranger in strangers) < 100
    assert not admits(table, C)
    assert admits(table, B)
    assert table.census().forgotten == 10_001


def test_the_busy_stay_in_a_full_table() -> None:
    """Room is made by who was silent longest, not by who came first."""
    table = PeerTable(100, capacity=2)
    admits(table, A)
    admits(table, B)
    later = START + 10 * SECOND
    exhausted(table, A, later)
    assert admits(table, C, later)
    assert known(table) == {A, C}
    assert not admits(table, A, later)


@pytest.mark.parametrize(("early", "room"), [(1, False), (0, True)])
def test_a_bucket_is_forgotten_when_it_is_full(early: int, room: bool) -> None:
    """Not a nanosecond earlier: it would be full again with the next look."""
    table = PeerTable(1000, capacity=1)
    admits(table, A)
    admits(table, B, START + SECOND // 1000 - early)
    assert (B in known(table)) is room


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, SECOND)), max_size=300), st.sampled_from([0, 100]))
def test_no_frame_gets_lost(frames: list[tuple[int, int]], rate: int) -> None:
    """However many peers there are for so little room, all counts add up to the frames that came."""
    table, now = PeerTable(rate, capacity=3), START
    for number, pause in frames:
        now += pause
        admits(table, number.to_bytes(6), now)
        census = table.census()
        assert len(census.peers) <= 3
    census = table.census()
    assert sum(received for received, _, _ in census.peers.values()) + census.forgotten == len(frames)


def test_taking_over_what_an_engine_counted() -> None:
    """It adds to what is there; an order by silence is kept, so the right one makes room."""
    table = PeerTable(0, capacity=2)
    admits(table, A)
    table.add(Census({B: (7, 3, START + 9), A: (2, 2, START + 5)}, forgotten=4))
    assert table.census() == Census({A: (3, 3, START + 5), B: (7, 3, START + 9)}, 4)
    admits(table, C, START + 10)
    assert table.census() == Census({B: (7, 3, START + 9), C: (1, 1, START + 10)}, 7)


def test_two_counts_together() -> None:
    """Peer by peer; what either knows."""
    one, other = Census({A: (1, 1, 5), B: (2, 1, 9)}, 1), Census({B: (3, 3, 7), C: (4, 0, 1)}, 2)
    both = Census({A: (1, 1, 5), B: (5, 4, 9), C: (4, 0, 1)}, 3)
    assert one.plus(other) == other.plus(one) == both


POLICY = Policy(ethernet.ETH_P_ALL, OWN, mtu=1500)
LIMITS = (0, 1)


@pytest.mark.parametrize(
    "reflector",
    [Reflector(POLICY, *LIMITS), LoopbackReflector(POLICY, StormBreaker(1, b"key"), *LIMITS)],
    ids=["echo", "loopback"],
)
def test_what_reflectors_count(reflector: Reflector | LoopbackReflector) -> None:
    """Valid requests to us whatever the limits say, and those that were answered; nothing else of a peer."""
    valid = [*[frames.request()] * 70, frames.request(payload=bytes(1600))]
    for octets in (*valid, frames.request(op=2), frames.request(dst=B), frames.request(src=OWN)):
        reflector.reflect(octets, frames.arrival(octets), NOW)
    assert reflector.peers.census() == Census({PEER: (71, 65, NOW.monotonic)})


def test_a_memory_changes_hands() -> None:
    """Sessions, buckets and counts go on with the next owner; the former one has nothing left."""
    first, second = (Reflector(POLICY, 1000, 1) for _ in range(2))
    before = [_answer(first, seq) for seq in range(1, 71)]
    second.import_(first.export())
    assert [isinstance(answer, Reply) for answer in before] == [True] * 65 + [False] * 5
    assert first.export() == Memory([], [])
    assert _answer(second, 71) == Drop(DropReason.PEER_RATE_LIMIT)
    memory = second.export()
    (session,), (peer,) = memory.sessions, memory.peers
    assert (session.received, session.highest, session.recent) == (71, 71, 2**71 - 1)
    assert (peer.mac, peer.received, peer.replied, peer.last) == (PEER, 71, 65, NOW.monotonic)
    assert peer.due > memory.due > NOW.monotonic


def _answer(reflector: Reflector, seq: int) -> Reply | Drop:
    octets = frames.request(seq=seq)
    return reflector.reflect(octets, frames.arrival(octets), NOW)


def test_memories_meet() -> None:
    """Of a session the one that was used last goes on; counts add up; the fuller bucket does not win."""
    newer, older = (SessionState(A, 7, last, count, 1, count) for last, count in ((9, 5), (8, 50)))
    for order in ([newer, older], [older, newer]):
        reflector = Reflector(POLICY)
        for session, due in zip(order, (3, 2), strict=True):
            reflector.import_(Memory([session], [PeerState(A, due, 4, 1, due)], 6, due))
        assert reflector.export() == Memory([newer], [PeerState(A, 3, 8, 2, 3)], 12, 3)


def test_a_session_s_jump_changes_hands() -> None:
    """Also of one that was about to believe a jump."""
    table, other = SessionTable(), SessionTable()
    for seq in (1, 2, 500):
        table.receive(A, 1, seq, 0)
    other.import_(table.export())
    assert other.receive(A, 1, 501, 0) == (4, 3)
