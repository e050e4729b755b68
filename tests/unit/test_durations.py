"""Durations as people write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.durations import LONGEST, format_duration, parse_duration

EXAMPLES = {
    "200ms": 200_000_000,
    "1s": 10**9,
    "10m": 600 * 10**9,
    "1.5": 1_500_000_000,
    "0": 0,
    "2h": 7200 * 10**9,
}
EXAMPLES |= {"7ns": 7, "3us": 3000, "0.25us": 250, " 3 s ": 3 * 10**9, "0.000000001": 1, "8784h": LONGEST}


@pytest.mark.parametrize(("text", "nanoseconds"), EXAMPLES.items(), ids=EXAMPLES)
def test_examples(text: str, nanoseconds: int) -> None:
    """Numbers with units, and bare numbers of seconds."""
    assert parse_duration(text) == nanoseconds


BAD = [
    "",
    "s",
    "-1s",
    "+1s",
    "1 day",
    "1e3",
    "1,5s",
    "1.s",
    ".5s",
    "nan",
    "inf",
    "1S",
    "1s1ms",
    "8784.1h",
    "1\ns x",
]
BAD += ["٣s", "9999999999999", "0x10"]


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    """What is no duration, or longer than a year, is refused by a sentence that shows it."""
    with pytest.raises(ValueError, match="is no duration") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)


@given(st.integers(0, LONGEST))
def test_round_trip(nanoseconds: int) -> None:
    """Formatted, a duration is parsed as itself."""
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (1, "1ns"), (1500, "1500ns"), (10**6, "1ms"), (90 * 10**9, "90s"), (120 * 10**9, "2m")],
)
def test_shortest_text(nanoseconds: int, text: str) -> None:
    """The largest unit that leaves a whole number."""
    assert format_duration(nanoseconds) == text


@given(st.text(max_size=20))
def test_any_text(text: str) -> None:
    """Any text is a duration within the bounds or a ValueError."""
    with contextlib.suppress(ValueError):
        assert 0 <= parse_duration(text) <= LONGEST
