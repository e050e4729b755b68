"""Listeners come, stay and go in turns, and come back where a change fails; on interfaces that do not exist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rawechod.config import Echo
from rawechod.echo.listener import ABSENT, Listener
from rawechod.link import LinkMonitor
from rawechod.listeners import Listeners
from rawechod.reactor import Reactor

NAMES = [f"none{number}" for number in range(3)]


class Faulty(Listener):
    """One that no interface lets start."""

    def follow(self, links: LinkMonitor) -> None:
        """Fail as nothing should."""
        if self.interface == "bad":
            raise ZeroDivisionError
        super().follow(links)


class Site:
    """Listeners, and the loop that they need."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.links = LinkMonitor(lambda: None)
        self.listeners = Listeners(self.reactor, self.links, new=Faulty)

    def have(self, *names: str, rate: int = 1) -> list[Exception | None]:
        """Replace them by these: what became of it."""
        outcomes: list[Exception | None] = []

        def done(error: Exception | None) -> None:
            outcomes.append(error)
            self.reactor.stop()

        self.listeners.replace([Echo(interface=name, rate_limit=rate) for name in names], done)
        self.reactor.run()
        return outcomes

    def names(self) -> list[tuple[str, int]]:
        """Interfaces and limits of those that are there."""
        return [(one.interface, one.settings.rate_limit) for one in self.listeners.present]


@pytest.fixture
def site() -> Iterator[Site]:
    """None at first."""
    made = Site()
    yield made
    made.listeners.close()
    made.links.close()
    made.reactor.close()


def test_those_that_do_not_change_stay(site: Site) -> None:
    """The same objects, in the new order; the others are new."""
    assert site.have(*NAMES) == [None]
    first, _, third = site.listeners.present
    assert site.have("none2", "other", "none0") == [None]
    assert [site.listeners.present[2], site.listeners.present[0]] == [first, third]
    assert [one.state for one in site.listeners.present] == [ABSENT] * 3


def test_what_fails_changes_nothing(site: Site) -> None:
    """The old ones are back, in their order, those that would have stayed with all they know."""
    site.have(*NAMES)
    _, second, _ = site.listeners.present
    (error,) = site.have("other", "none1", "bad", "further")
    assert isinstance(error, ZeroDivisionError)
    assert site.names() == [(name, 1) for name in NAMES]
    assert site.listeners.present[1] is second
    assert [one.state for one in site.listeners.present] == [ABSENT] * 3
    assert site.have("other") == [None]


@pytest.mark.parametrize("changing", [False, True])
def test_others_have_turns_in_between(site: Site, changing: bool) -> None:
    """Of many listeners no more are started at once than a turn takes, also while the interfaces change."""
    seen: set[int] = set()

    def look() -> None:
        seen.add(len(site.listeners.present))
        if changing:
            site.listeners.follow()
        site.reactor.call_at(0, look)

    site.reactor.call_at(0, look)
    names = [f"none{number}" for number in range(2000)]
    assert site.have(*names) == [None]
    assert [name for name, _ in site.names()] == names
    assert seen - {0, 2000}
