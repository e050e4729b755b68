"""What a probe's page is made of: the series over time, the axes, the shares, the losses."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechoctl import charts, facts, figures, scale
from rawechoctl.collected import MOST_RUNS, Collected
from rawechoctl.scale import Scale
from rawechoctl.series import BINS, Series
from rawechod.probe.histogram import Histogram
from tests.unit.test_render import summary

moments = st.integers(0, 7 * 86_400 * 10**9)
rtts = st.integers(1, 10**10)


@given(st.lists(st.tuples(moments, rtts), min_size=1, max_size=100))
def test_a_series_loses_nothing_but_detail(replies: list[tuple[int, int]]) -> None:
    """However long the run: never more than BINS, and all counts, sums and extremes are kept."""
    series = Series()
    for when, rtt in replies:
        series.at(when).reply(rtt)
        series.at(when).mark("late")
    bins = [one for _, one in series.bins()]
    times = [rtt for _, rtt in replies]
    assert len(bins) <= BINS
    assert sum(one.replies for one in bins) == sum(one.marks["late"] for one in bins) == len(replies)
    assert sum(one.total for one in bins) == sum(times)
    assert min(one.low for one in bins) == min(times)
    assert max(one.high for one in bins) == max(times)


@given(st.lists(moments, min_size=1, max_size=50))
def test_a_series_keeps_the_place(whens: list[int]) -> None:
    """Each moment lies in its bin."""
    series = Series()
    for when in whens:
        series.at(when).mark("lost")
    middles = [middle for middle, _ in series.bins()]
    assert all(any(abs(when - middle) <= series.length // 2 for middle in middles) for when in whens)


def test_a_series_takes_no_moment_before_the_start() -> None:
    """A late reply's time may seem to be longer than the run."""
    series = Series()
    series.at(-5).mark("late")
    assert series.bins()[0][0] < series.length


scales = st.tuples(rtts, rtts).map(sorted).map(lambda ends: scale.of_values(*ends))


@given(scales)
def test_ticks_are_few_and_inside(axis: Scale) -> None:
    """In order, on the axis, and enough of them to read it."""
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 9
    assert ticks == sorted(ticks)
    assert all(axis.low <= tick * 1.0001 and tick <= axis.high * 1.0001 for tick in ticks)


@given(scales, st.floats(0, 1))
def test_a_place_on_an_axis_and_back(axis: Scale, place: float) -> None:
    """`value` is the inverse of `at`, linear or logarithmic."""
    assert axis.at(axis.value(place)) == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize(("high", "logarithmic"), [(1900, False), (2100, True)])
def test_a_wide_range_is_logarithmic(high: int, logarithmic: bool) -> None:
    """More than twenty times the smallest value."""
    assert scale.of_values(100, high).logarithmic is logarithmic
    assert scale.of_heights([100.0, 100.0, float(high)]).logarithmic is logarithmic


@given(st.lists(rtts, min_size=1, max_size=200))
def test_shares_are_the_whole(values: list[int]) -> None:
    """The columns of the histogram add up to all replies."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    buckets = list(histogram.buckets())
    assert sum(count for _, _, count in buckets) == len(values)
    axis = scale.of_values(buckets[0][0], buckets[-1][1])
    assert sum(charts.shares(histogram, axis)) == pytest.approx(1, abs=0.01)


def ended(**fields: object) -> dict[str, Any]:
    """A summary in which a hundred were answered."""
    return summary(received=100, sent=100, loss_ratio=0.0, rtt_ns={"min": 1, "p50": 1, "p99": 1}) | fields


def lost(*numbers: int) -> Collected:
    """What is collected where these requests were lost."""
    collected = Collected()
    collected.take("start", {})
    for number in numbers:
        collected.take("lost", {"seq": number, "error": "", "sent_at_ns": 0})
    return collected


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((), "No request was lost."),
        ((3,), "3."),
        ((3, 4, 5, 9), "3\N{EN DASH}5, 9."),
        ((7, 5, 6), "5\N{EN DASH}7."),
    ],
)
def test_lost_runs(numbers: tuple[int, ...], told: str) -> None:
    """Neighbours are one run; one that was not sent is told before those lost before it."""
    assert told in figures.losses(lost(*numbers), ended(lost=len(numbers)))


def test_lost_runs_are_bounded() -> None:
    """The first are listed, the others counted."""
    collected = lost(*range(1, 1001, 2))
    assert len(collected.lost_runs) == MOST_RUNS
    assert f"and {500 - MOST_RUNS} further runs" in figures.losses(collected, {"lost": 500})


def test_lost_requests_that_were_not_told() -> None:
    """Their number is told in place of theirs; no list is empty."""
    assert figures.losses(lost(), {"lost": 1200}) == "<p>The numbers of the 1,200 lost requests were not told.</p>"
    assert "requests: 3, 9; 1,198 more were not told one by one." in figures.losses(lost(3, 9), {"lost": 1200})


UNTOLD = "1,234 replies and losses are left out here: they were not told one by one."


@pytest.mark.parametrize(("untold", "said"), [(0, 0), (1234, 1)])
def test_captions_say_what_was_not_told(untold: int, said: int) -> None:
    """Under what lacks it: the time line, with replies and without, and the distribution."""
    series, histogram = Series(), Histogram()
    rtt = {"p50": 100, "p90": 100, "p99": 100, "p999": 5000}
    body = {"untold": untold, "duration_s": 1, "received": 1300, "rtt_ns": rtt}
    assert figures.timeline(series, body).count(UNTOLD) == said
    assert "Nothing came back" not in figures.timeline(series, body)
    for number in range(20):
        series.at(number).reply(100)
        histogram.record(100)
    assert figures.timeline(series, body).count(UNTOLD) == said
    assert figures.histogram(histogram, body).count(UNTOLD) == said


def test_percentiles_of_what_was_not_told_are_on_the_axis() -> None:
    """The slowest replies were left out: their percentile stands where it belongs, not at the edge."""
    histogram = Histogram()
    for _ in range(20):
        histogram.record(100)
    rtt = {"p50": 100, "p90": 1000, "p99": 1000, "p999": 5000}
    drawn = figures.histogram(histogram, {"untold": 5, "rtt_ns": rtt})
    places = re.findall(r'class="marker[^"]*" style="left:([\d.]+)%', drawn)
    assert 0 < float(places[0]) < float(places[1]) < float(places[3]) < 100


def test_texts_are_escaped() -> None:
    """Nothing that comes from outside becomes markup."""
    assert (
        facts.table([("<a>", "<script>&")]) == "<table><tr><th scope=row>&lt;a&gt;<td>&lt;script&gt;&amp;</table>"
    )


@pytest.mark.parametrize("step", [-(10**15), 0, 10**15])
def test_a_clock_that_is_set_does_not_stretch_the_run(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of sending jump with the system's clock; the page's time does not."""
    collected = Collected()
    answer = {"seq": 1, "rtt_ns": 1, "reordered": False, "corrupted": False}
    collected.take("reply", answer | {"sent_at_ns": time.time_ns()})
    later = time.time_ns() + step
    monkeypatch.setattr(time, "time_ns", lambda: later)
    collected.take("reply", answer | {"sent_at_ns": later})
    assert collected.series.length * BINS < 60 * 10**9


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "No request of 100 was lost."),
        ({"outstanding": 7}, "No request of 100 was lost. What became of 7 requests is not known."),
        (
            {"received": 0, "rtt_ns": None, "outstanding": 9, "loss_ratio": None},
            "Nobody answered. What became of 9 requests is not known.",
        ),
        (
            {"received": 0, "rtt_ns": None, "lost": 9, "loss_ratio": 1.0, "lost_undetermined": 9},
            "Nobody answered: 9 of 9 requests were lost.",
        ),
        ({"lost": 1, "lost_forward": 1}, "1 of 101 requests was lost (1 on the way there)."),
        ({"ended": "cut_off"}, "The run was cut off. No request of 100 was lost."),
        ({"ended": "daemon"}, "The daemon was stopped and ended the run. No request of 100 was lost."),
    ],
)
def test_the_verdict_claims_nothing_that_is_not_known(fields: dict[str, Any], words: str) -> None:
    """What is outstanding is neither lost nor not; only a complete run without losses is good."""
    body = ended(**fields)
    assert facts.verdict(body).startswith(words)
    assert facts.is_good(body) is (not fields)
    if fields.get("outstanding"):
        assert figures.losses(lost(), body) == ""


def test_outages_on_the_page() -> None:
    """A list below the time line; one alone is a sentence."""
    one = {"start_ns": 0, "end_ns": 10**9, "requests": 5}
    assert facts.outages(ended(outages=[]), None) == ""
    assert re.fullmatch(
        r"<p>Outage: [\d:.]+ to [\d:.]+, 1.00 s, 5 requests</p>", facts.outages(ended(outages=[one]), None)
    )
    assert facts.outages(ended(outages=[one, one | {"start_ns": 5}]), None).count("<li>") == 2
