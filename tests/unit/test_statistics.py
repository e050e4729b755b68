"""A probe's figures against the standard library's."""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.probe.histogram import MOST_BUCKETS, MOST_ON_GRID, Histogram
from rawechod.probe.statistics import MOST_APART, Moments, RttStatistics

times = st.integers(0, 10**11)
many_times = st.lists(times, min_size=1, max_size=200)
PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99)


def nearest_rank(values: list[int], hundredths: int) -> int:
    """The smallest value that so many hundredths of a percent do not exceed, in whole numbers throughout."""
    return sorted(values)[max(-(-hundredths * len(values) // 10_000), 1) - 1]


def batches(values: Sequence[int]) -> Iterator[Sequence[int]]:
    """A few at a time, as replies come."""
    for start in range(0, len(values), 256):
        yield values[start : start + 256]


def close(found: int, exact: int) -> bool:
    """Within a sub-bucket: one in 64 of the octave, half of it to each side."""
    return abs(found - exact) <= exact / 128 + 1


@given(many_times)
def test_moments(values: list[int]) -> None:
    """Minimum, mean, maximum and the population's standard deviation."""
    moments = Moments()
    for value in values:
        moments.record(value)
    found = moments.values()
    assert found is not None
    assert (found.min, found.max) == (min(values), max(values))
    assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=0.1)
    assert found.stddev == pytest.approx(statistics.pstdev(values), rel=1e-6, abs=0.1)


def test_moments_keep_small_differences_of_large_values() -> None:
    """Welford: a spread of nanoseconds around an hour is not lost."""
    moments = Moments()
    for value in (3_600_000_000_001, 3_600_000_000_003):
        moments.record(value)
    found = moments.values()
    assert found is not None
    assert (found.mean, found.stddev) == (3_600_000_000_002.0, 1.0)


@given(many_times, st.sampled_from(PERCENTS))
def test_percentile(values: list[int], percent: float) -> None:
    """Within 1 % of the nearest rank in the sorted list."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    assert histogram.total == len(values)
    assert close(histogram.percentile(percent), nearest_rank(values, round(percent * 100)))


@pytest.mark.parametrize("amount", [1, 10, 100, 1000, 2000, 10_000, 130_000])
def test_percentile_hits_its_rank(amount: int) -> None:
    """The rank is exact: with p99.9 of 1000 values the 999th and not the 1000th, whatever floats make of it."""
    values = [*range(amount - 1), 10**9]
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    for percent in PERCENTS:
        exact = nearest_rank(values, round(percent * 100))
        assert close(histogram.percentile(percent), exact), (percent, exact)


@given(st.integers(0, 2**40))
def test_one_value_is_kept_to_better_than_a_percent(value: int) -> None:
    """Any percentile of one value is that value."""
    histogram = Histogram()
    histogram.record(value)
    for percent in PERCENTS:
        assert abs(histogram.percentile(percent) - value) <= value / 100


@given(st.integers(0, 127))
def test_small_values_are_exact(value: int) -> None:
    """Below 128 each value has a bucket."""
    histogram = Histogram()
    histogram.record(value)
    assert histogram.percentile(50) == value


def test_negative_counts_as_zero_and_empty_is_zero() -> None:
    """The histogram's edges."""
    histogram = Histogram()
    assert histogram.percentile(50) == 0
    histogram.record(-5)
    assert (histogram.percentile(50), histogram.total) == (0, 1)


def test_memory_depends_on_the_spread() -> None:
    """A hundred thousand values between 10 and 20 us fill at most one octave's buckets and a few more."""
    histogram = Histogram()
    for number in range(100_000):
        histogram.record(10_000 + number % 10_000)
    assert len(histogram.buckets()) <= 2 * 64


@pytest.mark.parametrize("step", [1, -1], ids=["rising", "falling"])
def test_memory_does_not_depend_on_the_order(step: int) -> None:
    """Nor does a minimum that falls with every value leave a bucket each."""
    histogram = Histogram()
    for values in batches(range(50_000, 10**10 + 1, 50_000)[::step]):
        histogram.extend(values)
    assert histogram.total == 200_000
    assert len(histogram.buckets()) <= MOST_BUCKETS + MOST_ON_GRID


offsets = st.integers(0, 2_000_000) | st.integers(0, 3_000) | times


@given(st.integers(0, 10**9), st.lists(st.lists(offsets, min_size=1, max_size=20), min_size=1, max_size=20))
def test_percentiles_above_the_minimum(base: int, batches: list[list[int]]) -> None:
    """Of the values less their minimum, whenever it came: to 1 % or 1 us; of the values: to 1 %."""
    histogram = Histogram()
    values: list[int] = []
    for batch in batches:
        histogram.extend([base + offset for offset in batch])
        values += [base + offset for offset in batch]
    low = min(values)
    for percent, found in zip(PERCENTS, histogram.percentiles(*PERCENTS), strict=True):
        exact = nearest_rank(values, round(percent * 100))
        assert abs(found - exact) <= min(max((exact - low) / 100, 1000), max(exact / 100, 1))


def recorded(*answers: tuple[int, int]) -> RttStatistics:
    """Statistics of (number, rtt)."""
    found = RttStatistics()
    for number, rtt in answers:
        found.record(number, rtt)
    return found


def test_nothing_came() -> None:
    """No figures."""
    assert recorded().rtt() is None
    assert recorded().ipdv() is None
    assert recorded().pdv() is None


@given(many_times)
def test_rtt_figures(values: list[int]) -> None:
    """Percentiles lie between minimum and maximum, in order, near the nearest rank."""
    found = recorded(*enumerate(values, 1)).rtt()
    assert found is not None
    percentiles = [found.p50, found.p90, found.p99, found.p999, found.p9999]
    assert [found.min, *percentiles, found.max] == sorted([found.min, *percentiles, found.max])
    for percent, value in zip(PERCENTS, percentiles, strict=True):
        assert close(value, nearest_rank(values, round(percent * 100)))


@given(many_times)
def test_pdv_is_the_rtt_above_its_minimum(values: list[int]) -> None:
    """RFC 5481: each figure less the smallest round trip."""
    statistics_of = recorded(*enumerate(values, 1))
    rtt, pdv = statistics_of.rtt(), statistics_of.pdv()
    assert rtt is not None
    assert pdv is not None
    assert pdv.mean == pytest.approx(rtt.mean - rtt.min, abs=0.1)
    for name in ("p50", "p90", "p99", "p999", "max"):
        assert getattr(pdv, name) == getattr(rtt, name) - rtt.min


def test_one_value_is_exact_in_all_figures() -> None:
    """The bucket's middle never lies outside of what was seen."""
    found = recorded((1, 123_457)).rtt()
    assert found is not None
    assert {found.min, found.max, found.p50, found.p90, found.p99, found.p999} == {123_457}
    assert (found.mean, found.stddev) == (123_457.0, 0.0)


@given(many_times)
def test_ipdv_of_a_complete_run(values: list[int]) -> None:
    """The signed differences of neighbours."""
    differences = [later - earlier for earlier, later in itertools.pairwise(values)]
    found = recorded(*enumerate(values, 1)).ipdv()
    if not differences:
        assert found is None
        return
    assert found is not None
    assert (found.min, found.max) == (min(differences), max(differences))
    assert found.mean == pytest.approx(statistics.fmean(differences), rel=1e-6, abs=0.1)
    assert found.stddev == pytest.approx(statistics.pstdev(differences), rel=1e-6, abs=0.1)


def test_ipdv_skips_gaps() -> None:
    """Only requests with consecutive numbers are compared: a lost one between them leaves two gaps."""
    found = recorded((1, 100), (2, 130), (4, 500), (5, 490)).ipdv()
    assert found is not None
    assert (found.min, found.mean, found.max) == (-10, 10.0, 30)
    assert recorded((1, 100), (3, 200), (5, 300)).ipdv() is None


@given(st.data(), many_times)
def test_ipdv_does_not_depend_on_the_order_of_the_replies(data: st.DataObject, values: list[int]) -> None:
    """RFC 5481: consecutive requests are compared, whichever reply came first, and whenever we look."""
    numbered = list(enumerate(values, 1))
    lost = data.draw(st.sets(st.integers(1, len(values))))
    found = RttStatistics()
    for number, value in data.draw(st.permutations(numbered)):
        if number not in lost:
            found.record(number, value)
        if data.draw(st.booleans()):
            found.ipdv()
    expected = [
        later - earlier
        for (number, earlier), (_, later) in itertools.pairwise(numbered)
        if not lost & {number, number + 1}
    ]
    ipdv = found.ipdv()
    assert (ipdv is None) is (not expected)
    if ipdv:
        assert (ipdv.min, ipdv.max) == (min(expected), max(expected))
        assert ipdv.mean == pytest.approx(statistics.fmean(expected), rel=1e-6, abs=0.1)


def test_ipdv_has_what_an_overtaken_reply_changes() -> None:
    """A path of 40 ms delays some frames by 5 ms, and others overtake them: those changes are the largest."""
    chance = random.Random(3)
    values = [
        40_000_000 + (5_000_000 if chance.random() < 0.1 else chance.randrange(100_000)) for _ in range(2000)
    ]
    arrivals = sorted(enumerate(values, 1), key=lambda answer: answer[0] * 1_000_000 + answer[1])
    found = recorded(*arrivals).ipdv()
    exact = [later - earlier for earlier, later in itertools.pairwise(values)]
    assert found is not None
    assert (found.min, found.max) == (min(exact), max(exact))
    assert found.stddev == pytest.approx(statistics.pstdev(exact), abs=0.1)


def test_ipdv_forgets_neighbours_that_never_come() -> None:
    """The memory is bounded: every second request is lost."""
    found = RttStatistics()
    for number in range(1, 6 * MOST_APART, 2):
        found.record(number, 1000)
    assert found.ipdv() is None
    assert len(found._ipdv._firsts) <= 2 * MOST_APART
    assert len(found._ipdv._lasts) <= 2 * MOST_APART
