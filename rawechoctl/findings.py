"""What a survey's matrix says, in sentences. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations

from rawechoctl.cells import ALTERED, LOST, NOT_SENT, UNTAGGED, Cell, Outcome

Matrix = dict[Cell, Outcome]

DESTINATIONS = {
    "unicast": "to the responder's MAC",
    "broadcast": "to everybody (broadcast)",
    "pae-group": "to the PAE group",
}
NO_TAGS = (
    "no tagged frame comes back: the path drops them, or the responder does not see their tags "
    '(tap = "all" there, and promiscuous = true behind a VLAN filter)'
)


def _of_vlan(value: object) -> str:
    named = {UNTAGGED: "without a tag", "0": "with a priority tag (VLAN 0)"}
    return named.get(str(value), f"of VLAN {value}")


AXES: tuple[tuple[str, Callable[[object], str]], ...] = (
    ("destination", lambda value: DESTINATIONS[str(value)]),
    ("ethertype", lambda value: f"with EtherType {value}"),
    ("vlan", _of_vlan),
    ("size", lambda value: f"of {value} octets"),
    ("pcp", lambda value: f"with priority {value}"),
)
"""In the order in which a loss is blamed on them."""


def findings(matrix: Matrix) -> list[str]:
    """One sentence each, the plainest first."""
    sent = {cell: outcome for cell, outcome in matrix.items() if outcome.result != NOT_SENT}
    failing = {cell for cell, outcome in sent.items() if outcome.result == LOST}
    if len(failing) == len(sent):
        return ["nothing passes", *_not_sent(matrix)]
    sentences = [*_Losses(sent, failing).sentences(), *_altered(sent)]
    return [*(sentences or ["everything that was sent passes, unaltered"]), *_not_sent(matrix)]


def _not_sent(matrix: Matrix) -> list[str]:
    whys = Counter(outcome.error for outcome in matrix.values() if outcome.result == NOT_SENT)
    return [f"{count} combinations could not be sent: {why}" for why, count in whys.items()]


class _Losses:
    """Explains cells that failed; each is explained once."""

    def __init__(self, matrix: Matrix, failing: set[Cell]) -> None:
        self._matrix, self._failing = matrix, failing
        self._open = set(failing)

    def sentences(self) -> list[str]:
        """All that can be said of them."""
        found: list[str] = []
        if self._explains(lambda cell: cell.vlan != UNTAGGED):
            found.append(NO_TAGS)
        found += self._too_large()
        for number in (1, 2):
            for axes in combinations(AXES, number):
                found += self._values(axes)
        if self._open:
            found.append(f"{len(self._open)} further combinations do not pass, as the table shows")
        return found

    def _explains(self, belongs: Callable[[Cell], bool]) -> bool:
        """Whether all such cells fail, and one of them is not explained yet; from now on they are."""
        cells = {cell for cell in self._matrix if belongs(cell)}
        news = bool(cells & self._open) and cells <= self._failing
        if news:
            self._open -= cells
        return news

    def _too_large(self) -> list[str]:
        passing = max(cell.size for cell in self._matrix if cell not in self._failing)
        if self._explains(lambda cell: cell.size > passing):
            return [f"nothing above {passing} octets passes (of the sizes that were tried)"]
        return []

    def _values(self, axes: tuple[tuple[str, Callable[[object], str]], ...]) -> list[str]:
        names = [name for name, _ in axes]
        found = []
        for values in dict.fromkeys(_at(cell, names) for cell in self._matrix if cell in self._open):
            if self._explains(lambda cell, values=values: _at(cell, names) == values):  # type: ignore[misc]
                labels = [label(value) for (_, label), value in zip(axes, values, strict=True)]
                found.append(f"frames {' '.join(labels)} do not pass")
        return found


def _at(cell: Cell, names: list[str]) -> tuple[object, ...]:
    return tuple(getattr(cell, name) for name in names)


def _altered(matrix: Matrix) -> list[str]:
    changed = {cell: outcome.altered for cell, outcome in matrix.items() if outcome.result == ALTERED}
    kinds = dict.fromkeys((cell.vlan, what) for cell, what in changed.items())
    return [f"frames {_of_vlan(vlan)} come back {_how(vlan, what)}" for vlan, what in kinds]


def _how(vlan: str, what: str) -> str:
    if what == "tag" and vlan == UNTAGGED:
        return "with a tag"
    return {
        "tag": "without their tag, or with another one",
        "priority": "with another priority",
        "vlan": "in another VLAN",
        "payload": "with other octets in them",
    }[what]
