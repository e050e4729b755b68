"""Axes: where a value stands, and which values are labelled. PURE."""

from __future__ import annotations

import math
from dataclasses import dataclass

WIDE = 20
"""A range over so many times its smallest value is drawn logarithmically."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high`, linear or logarithmic."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """0 at `low`, 1 at `high`; values outside stand at the edge."""
        low, high = self._even(self.low), self._even(self.high)
        return min(max((self._even(value) - low) / (high - low), 0.0), 1.0)

    def value(self, place: float) -> float:
        """What stands there: the inverse of `at`."""
        low, high = self._even(self.low), self._even(self.high)
        even = low + place * (high - low)
        return 10**even if self.logarithmic else even

    def _even(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.logarithmic else value

    def ticks(self, most: int = 6) -> list[float]:
        """Round values in the range, at most so many."""
        inside: list[float] = []
        for steps in _STEPS_A_DECADE if self.logarithmic else ():
            found = [step * 10.0**power for power in range(-3, 13) for step in steps]
            inside = [value for value in found if self.low <= value <= self.high]
            if 2 <= len(inside) <= most:
                return inside
        # Very many decades, or, within one, none of the steps.
        return inside[:: -(-len(inside) // most)] if len(inside) > most else self._even_ticks(most)

    def _even_ticks(self, most: int) -> list[float]:
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.9999)
        first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
        return [number * step for number in range(first, last + 1)]


_STEPS_A_DECADE = ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))


def of_heights(values: list[float]) -> Scale:
    """For bars and points over a base: from 0, unless a few are so high that the others would lie flat."""
    positive = sorted(value for value in values if value > 0) or [1.0]
    middle, most = positive[len(positive) // 2], positive[-1]
    if most > WIDE * middle:
        return Scale(positive[0] * 0.8, most * 1.25, True)
    return Scale(0, most * 1.08)


def of_values(low: float, high: float) -> Scale:
    """For an axis along which values are counted."""
    low = max(low, 1.0)
    if high > WIDE * low:
        return Scale(low * 0.9, high * 1.1, True)
    margin = max((high - low) * 0.04, high * 0.05)
    return Scale(max(low - margin, 0), high + margin)
