"""The last round-trip times as a chart of characters. PURE."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = ".:-=+*#@"
MOST_COLUMNS = 500


@dataclass(slots=True)
class Column:
    """What came in one stretch of time."""

    began: float
    rtt: int | None = None
    """The longest, None where nothing came back."""
    lost: int = 0


class History:
    """Columns, oldest first: one for each reply or loss, or for all of a `slot` where they come faster."""

    def __init__(self, slot: float) -> None:
        self._slot = slot
        self._columns: deque[Column] = deque(maxlen=MOST_COLUMNS)

    def reply(self, now: float, rtt: int) -> None:
        """Take in a round-trip time."""
        column = self._column(now)
        column.rtt = rtt if column.rtt is None else max(column.rtt, rtt)

    def loss(self, now: float) -> None:
        """Take in a request that got no reply."""
        self._column(now).lost += 1

    def _column(self, now: float) -> Column:
        if not self._columns or now - self._columns[-1].began >= self._slot:
            self._columns.append(Column(now))
        return self._columns[-1]

    def last(self, width: int) -> list[Column]:
        """The newest columns, as many as there is room for."""
        return list(self._columns)[-width:] if width > 0 else []


def highest(columns: list[Column]) -> int:
    """The longest round-trip time of these columns, 0 where none has any."""
    return max((column.rtt for column in columns if column.rtt is not None), default=0)


def rows(columns: list[Column], height: int, blocks: str = BLOCKS) -> list[str]:
    """The chart, top row first, from 0 to the highest column. A reply is seen however short it was."""
    most, steps = highest(columns), height * len(blocks)
    levels = [0 if c.rtt is None else max(-(-c.rtt * steps // most) if most else 0, 1) for c in columns]
    return ["".join(_cell(level, row, blocks) for level in levels) for row in reversed(range(height))]


def _cell(level: int, row: int, blocks: str) -> str:
    filled = level - row * len(blocks)
    return blocks[min(filled, len(blocks)) - 1] if filled > 0 else " "
