"""Values as people read them."""

from __future__ import annotations

import pytest

from rawechoctl import render


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.0, "0%"), (0.1, "10%"), (0.05167, "5.167%"), (0.999_999, "99.99%"), (0.999_949, "99.99%"), (1.0, "100%")],
)
def test_percent(ratio: float, shown: str) -> None:
    """No digits that say nothing, and all is lost only where all is."""
    assert render.percent(ratio) == shown


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0.000"),
        (7, "0.000007"),
        (99, "0.000099"),
        (100, "0.00010"),
        (570, "0.00057"),
        (994, "0.00099"),
        (1_000, "0.0010"),
        (8_249, "0.0082"),
        (9_949, "0.0099"),
        (9_950, "0.010"),
        (12_345_678, "12.346"),
        (-1_500, "-0.0015"),
        (-25_000, "-0.025"),
    ],
)
def test_milliseconds(nanoseconds: float, shown: str) -> None:
    """As ping's, and two digits at least."""
    assert render.milliseconds(nanoseconds) == shown
