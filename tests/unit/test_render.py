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
