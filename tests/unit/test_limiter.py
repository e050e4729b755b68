"""Rate limits: what passes in the long run, what at once, and that memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.echo.limiter import BURST, SMALLEST_BURST, Limiter, PeerLimiter

SECOND = 10**9
START = 10**12
A, B, C = (bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3))


@pytest.mark.parametrize("rate", [1, 7, 1000, 20_000, 100_000])
def test_long_run_rate(rate: int) -> None:
    """Asked at ten times its rate for ten seconds, a bucket lets its rate and one burst pass."""
    limiter, step = Limiter(rate), SECOND // (10 * rate)
    asked = min(100 * rate, 200_000)
    passed = sum(limiter.admits(START + number * step) for number in range(asked))
    fair = asked // 10
    burst = max(rate * BURST // SECOND, SMALLEST_BURST)
    assert fair <= passed <= fair + burst + 2


@pytest.mark.parametrize(("rate", "burst"), [(1, 65), (100, 65), (1280, 65), (100_000, 5001)])
def test_burst(rate: int, burst: int) -> None:
    """At one moment 50 ms worth of frames pass, for low rates 64, and the one that is due."""
    limiter = Limiter(rate)
    assert sum(limiter.admits(START) for _ in range(10_000)) == burst


def test_exact_pace_always_passes() -> None:
    """Who keeps to the rate is never refused."""
    limiter = Limiter(1000)
    assert all(limiter.admits(START + number * SECOND // 1000) for number in range(10_000))


def test_a_refusal_costs_nothing() -> None:
    """However often it was refused, the next token comes when it is due."""
    limiter = Limiter(1)
    while limiter.admits(START):
        pass
    for _ in range(1000):
        assert not limiter.admits(START)
    assert limiter.admits(START + SECOND)
    assert not limiter.admits(START + SECOND)


@given(st.lists(st.integers(0, 2 * SECOND), max_size=300))
def test_zero_is_no_limit(steps: list[int]) -> None:
    """Rate 0 admits everything, also where time stands still."""
    limiter, peers = Limiter(0), PeerLimiter(0)
    assert all(limiter.admits(step) and peers.admits(A, step) for step in sorted(steps))


def _exhausted(limiter: PeerLimiter, peer: bytes, now: int = START) -> None:
    while limiter.admits(peer, now):
        pass


def test_peers_have_buckets_of_their_own() -> None:
    """One above its limit is refused, another is not."""
    limiter = PeerLimiter(100)
    _exhausted(limiter, A)
    assert not limiter.admits(A, START)
    assert limiter.admits(B, START)


def test_full_table_makes_room_by_forgetting_full_buckets() -> None:
    """A peer that has been silent for long makes room; it loses nothing."""
    limiter = PeerLimiter(100, capacity=2)
    _exhausted(limiter, A)
    _exhausted(limiter, B)
    later = START + 10 * SECOND
    assert limiter.admits(C, later)
    assert set(limiter._buckets) == {B, C}
    _exhausted(limiter, C, later)
    assert limiter.admits(A, later)


def test_strangers_share_one_bucket() -> None:
    """With no room newcomers share a bucket: inventing sources gains nothing; the known keep theirs."""
    limiter = PeerLimiter(100, capacity=2)
    _exhausted(limiter, A)
    assert limiter.admits(B, START)
    strangers = [bytes([6, *number.to_bytes(5)]) for number in range(10_000)]
    assert 0 < sum(limiter.admits(stranger, START) for stranger in strangers) < 100
    assert not limiter.admits(C, START)
    assert limiter.admits(B, START)


def test_memory_is_bounded() -> None:
    """However many sources come, in whatever pace, the table keeps to its capacity."""
    limiter = PeerLimiter(1_000_000, capacity=100)
    for number in range(10_000):
        limiter.admits(number.to_bytes(6), START + number * SECOND)
        assert len(limiter._buckets) <= 100


def test_the_busy_stay_in_a_full_table() -> None:
    """Room is made by who was silent longest, not by who came first."""
    limiter = PeerLimiter(100, capacity=2)
    limiter.admits(A, START)
    limiter.admits(B, START)
    later = START + 10 * SECOND
    _exhausted(limiter, A, later)
    assert limiter.admits(C, later)
    assert set(limiter._buckets) == {A, C}
    assert not limiter.admits(A, later)


@pytest.mark.parametrize(("early", "room"), [(1, False), (0, True)])
def test_a_bucket_is_forgotten_when_it_is_full(early: int, room: bool) -> None:
    """Not a nanosecond earlier: it would be full again with the next look."""
    limiter = PeerLimiter(1000, capacity=1)
    limiter.admits(A, START)
    limiter.admits(B, START + SECOND // 1000 - early)
    assert (B in limiter._buckets) is room
