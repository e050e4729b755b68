"""The search for the largest size: right on clean paths, in few tries, and robust against losses."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from rawechoctl.search import largest


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
