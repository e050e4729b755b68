"""A probe as comma-separated values: a row for each reply and each loss."""

from __future__ import annotations

import csv

from rawechoctl.destination import Destination
from rawechod.control.varlink import Parameters as Body

EVENTS = ("reply", "duplicate", "late", "lost")
COLUMNS = (
    *("event", "seq", "sent_at_ns", "mac", "rtt_ns", "residence_ns", "forward_ns", "backward_ns"),
    *("kernel_stamped", "hardware_stamped", "reordered", "corrupted", "corrupted_at", "altered", "error"),
)
"""Named as the JSON fields; empty where an event has no such field."""


class Rows:
    """Writes each row at once, so that a reader sees it and a crash loses none."""

    def __init__(self, destination: Destination) -> None:
        """What is there is kept until the probe starts."""
        self._destination = destination
        self._writer = csv.writer(destination, lineterminator="\n")

    def take(self, event: str, body: Body) -> None:
        """Write one event; raises OSError."""
        if event == "start":
            self._destination.begin()
            self._writer.writerow(COLUMNS)
        elif event in EVENTS:
            values = {"event": event} | body
            self._writer.writerow([_cell(values.get(name)) for name in COLUMNS])

    def close(self) -> None:
        """Each row is written already."""


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
