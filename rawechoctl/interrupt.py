"""Ctrl-C, twice: the first ends what runs in good order, the second ends us."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ending(finish: Callable[[], None]) -> Iterator[None]:
    """Have the first SIGINT or SIGTERM within the block call `finish`."""

    def interrupted(number: int, _frame: object) -> None:
        finish()
        # As KeyboardInterrupt, which leaves a terminal as it was.
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
