"""Which way requests were lost: crafted courses of events with known answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.probe.losses import Losses


def course(sent: int, forward: set[int], backward: set[int]) -> Losses:
    """A run in which these requests were lost on the way there and those on the way back."""
    losses, seen = Losses(), 0
    for number in range(1, sent + 1):
        seen += number not in forward
        if number in forward | backward:
            losses.lost(number)
        else:
            losses.heard(number, seen)
    return losses


@pytest.mark.parametrize(
    ("forward", "backward", "answer"),
    [
        (set(), set(), (0, 0)),
        ({3}, set(), (1, 0)),
        (set(), {3}, (0, 1)),
        ({1, 2, 5}, {3, 7, 8}, (3, 3)),
        # Behind the last reply nobody knows.
        ({10}, set(), (0, 0)),
        (set(), {9, 10}, (0, 0)),
        ({2, 10}, {3, 9}, (1, 1)),
        (set(range(1, 11)), set(), (0, 0)),
    ],
)
def test_direction(forward: set[int], backward: set[int], answer: tuple[int, int]) -> None:
    """As far as the last reply tells."""
    losses = course(10, forward, backward)
    assert (losses.forward, losses.backward) == answer


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_any_course(forward: set[int], backward: set[int]) -> None:
    """Up to the last reply each loss is told with its direction."""
    backward = backward - forward
    losses = course(61, forward, backward)
    assert (losses.forward, losses.backward) == (len(forward), len(backward))


def test_refused_requests_have_no_direction() -> None:
    """They never left, and the responder does not miss them."""
    losses = Losses()
    losses.heard(1, 1)
    losses.refused(2)
    losses.lost(3)
    losses.heard(4, 3)
    assert (losses.forward, losses.backward) == (0, 1)


def test_refused_requests_behind_the_last_reply_change_nothing() -> None:
    """Two were lost on the way there; then the interface went down: that makes them no losses on the way back."""
    losses = Losses()
    losses.heard(1, 1)
    losses.lost(2)
    losses.lost(3)
    losses.heard(4, 2)
    for number in (5, 6, 7):
        losses.refused(number)
        assert (losses.forward, losses.backward) == (2, 0)
    losses.heard(8, 3)
    assert (losses.forward, losses.backward) == (2, 0)


@pytest.mark.parametrize("counts", [(0, 0), (5, 1)], ids=["does not count", "restarted"])
def test_a_count_that_says_nothing(counts: tuple[int, int]) -> None:
    """No direction is told then."""
    losses = Losses()
    losses.heard(5, counts[0])
    losses.lost(6)
    losses.heard(7, counts[1])
    assert (losses.forward, losses.backward) == (0, 0)


def test_a_late_timeout_belongs_before_the_last_reply() -> None:
    """A request that times out after a later one was answered."""
    losses = Losses()
    losses.heard(1, 1)
    losses.heard(3, 2)
    losses.lost(2)
    assert (losses.forward, losses.backward) == (1, 0)


def test_longest_run() -> None:
    """Lost and refused alike."""
    losses = Losses()
    for number in (2, 3, 5, 6, 7):
        losses.lost(number)
    losses.refused(8)
    losses.lost(10)
    assert losses.longest_run == 4


def test_a_count_that_wraps() -> None:
    """Behind the largest comes 1: the direction of losses is told for runs of any length."""
    losses, most = Losses(), 0xFFFFFFFF
    for number in (most // 3, most // 3 * 2, most):
        losses.heard(number, number)
    losses.heard(most + 1, 1)
    losses.lost(most + 2)
    losses.heard(most + 3, 2)
    losses.lost(most + 4)
    losses.heard(most + 5, 4)
    assert (losses.forward, losses.backward) == (1, 1)
