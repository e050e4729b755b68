"""Rate limits: what passes in the long run, and what at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.echo.limiter import BURST, SMALLEST_BURST, Limiter

SECOND = 10**9
START = 10**12


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
    limiter = Limiter(0)
    assert all(limiter.admits(step) for step in sorted(steps))
