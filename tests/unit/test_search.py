"""The search for the largest size: right on clean paths, in few tries, and robust against losses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechoctl.search import MOST_HOLES, largest, search


@given(st.integers(60, 9014), st.integers(0, 9000), st.integers(0, 10_000))
def test_largest_is_found_in_few_tries(first: int, span: int, limit: int) -> None:
    """Whatever the range and the limit: no more tries than a binary search and its ends need."""
    last = first + span
    tried: list[int] = []

    def passes(size: int, _sure: bool) -> bool:
        tried.append(size)
        return size <= limit

    assert largest(first, last, passes) == (None if limit < first else min(limit, last))
    assert all(first <= size <= last for size in tried)
    assert len(tried) <= span.bit_length() + 4


@given(st.integers(60, 9014), st.integers(0, 2**32))
def test_a_loss_is_not_taken_for_the_limit(limit: int, seed: int) -> None:
    """One size that got lost by bad luck does not become the result: it is tried again."""
    unlucky = random.Random(seed).randrange(61, 9015)
    lost: list[int] = []

    def passes(size: int, sure: bool) -> bool:
        if size == unlucky and not sure and size not in lost:
            lost.append(size)
            return False
        return size <= limit

    assert largest(60, 9014, passes) == limit


def test_the_limit_is_confirmed() -> None:
    """The size above the result is the last that is tried, and with more requests."""
    tried: list[tuple[int, bool]] = []

    def passes(size: int, sure: bool) -> bool:
        tried.append((size, sure))
        return size <= 1014

    assert largest(60, 9014, passes) == 1014
    assert tried[-1] == (1015, True)


@given(st.integers(60, 9014), st.integers(0, 9000), st.integers(0, 10_000))
def test_a_path_without_holes(first: int, span: int, limit: int) -> None:
    """Nothing is said of holes, and nothing outside the range is tried."""
    last = first + span
    tried: list[int] = []

    def passes(size: int, _sure: bool) -> bool:
        tried.append(size)
        return size <= limit

    assert search(first, last, passes) == (None if limit < first else min(limit, last), [])
    assert all(first <= size <= last for size in tried)
    assert len(tried) <= span.bit_length() + 4 + 30


@pytest.mark.parametrize(
    ("holes", "limit"),
    [
        ([(1400, 1513)], 1514),
        ([(1513, 1513)], 1514),
        ([(300, 700)], 1514),
        ([(700, 800)], 1500),
        ([(61, 1400)], 1514),
        ([(300, 500), (1450, 1513)], 1514),
    ],
)
def test_holes_are_found(holes: list[tuple[int, int]], limit: int) -> None:
    """Sizes below the largest that do not pass, with their edges, wherever the search for the largest began."""

    def passes(size: int, _sure: bool) -> bool:
        return size <= limit and not any(low <= size <= high for low, high in holes)

    assert search(60, 1514, passes) == (limit, holes)


def test_a_lost_sample_is_no_hole() -> None:
    """A size is tried again before it is said not to pass."""
    lost: set[int] = set()

    def passes(size: int, _sure: bool) -> bool:
        lucky = size in lost
        lost.add(size)
        return lucky or size in (60, 1514)

    assert search(60, 1514, passes) == (1514, [])


def test_many_holes_cost_a_bounded_number_of_tries() -> None:
    """A path that takes even sizes alone."""
    tried: list[int] = []

    def passes(size: int, _sure: bool) -> bool:
        tried.append(size)
        return size % 2 == 0

    found = search(60, 9014, passes)
    assert found.largest == 9014
    assert len(found.holes) >= 1
    assert len(tried) <= 2 * 20 + MOST_HOLES * 2 * 14
