"""What a survey's matrix says, in sentences. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
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


UNALTERED = "everything that was sent passes, unaltered, or altered and restored"
"""What the way there changes and the way back undoes can't be seen."""


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


def findings(matrix: Matrix, untried: Set[Cell] = frozenset()) -> list[str]:
    """One sentence each, the plainest first; none about a kind of frames of which some are untried."""
    sent = {cell: outcome for cell, outcome in matrix.items() if outcome.result != NOT_SENT}
    failing = {cell for cell, outcome in sent.items() if outcome.result == LOST}
    rest = [*_not_sent(matrix), *_untried(untried, len(matrix))]
    if len(failing) == len(sent):
        return ["nothing that was tried passes" if untried else "nothing passes", *rest]
    sentences = [*_Losses(sent, failing, untried).sentences(), *_altered(sent)]
    return [*(sentences or [UNALTERED]), *rest]


def _combinations(count: int, which: str = "") -> str:
    return f"{count} {which}combination{'s' if count != 1 else ''}"


def _untried(untried: Set[Cell], tried: int) -> list[str]:
    total = len(untried) + tried
    return [f"interrupted: {len(untried)} of {total} combinations were not tried"] if untried else []


def _not_sent(matrix: Matrix) -> list[str]:
    whys = Counter(outcome.error for outcome in matrix.values() if outcome.result == NOT_SENT)
    return [f"{_combinations(count)} could not be sent: {why}" for why, count in whys.items()]


class _Losses:
    """Explains cells that failed; each is explained once."""

    def __init__(self, matrix: Matrix, failing: set[Cell], untried: Set[Cell]) -> None:
        self._matrix, self._failing, self._untried = matrix, failing, untried
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
            do = "does" if len(self._open) == 1 else "do"
            found.append(f"{_combinations(len(self._open), 'further ')} {do} not pass, as the table shows")
        return found

    def _explains(self, belongs: Callable[[Cell], bool]) -> bool:
        """Whether all such cells fail, and one of them is not explained yet; from now on they are."""
        cells = {cell for cell in self._matrix if belongs(cell)}
        known = not any(belongs(cell) for cell in self._untried)
        news = known and bool(cells & self._open) and cells <= self._failing
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


def _how(vlan: str, altered: str) -> str:
    untagged = {"tag": "with a tag"} if vlan == UNTAGGED else {}
    words = [(HOW | untagged)[what] for what in altered.split(",")]
    return " and ".join(words)


HOW = {
    "destination": "to another destination",
    "tag": "without their tag, or with another one",
    "priority": "with another priority",
    "vlan": "in another VLAN",
    "header": "with another EtherType or EAPOL header",
    "length": "with another length",
    "payload": "with other octets in them",
    "t1": "with another time of sending",
}
