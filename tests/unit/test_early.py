"""Replies that came before their requests' transmit stamps by the NIC."""

from __future__ import annotations

import pytest

from rawechod.probe.codec import Seen
from rawechod.probe.early import MOST, PATIENCE, EarlyReplies, Reply
from rawechod.probe.session import Match, Verdict

MAC = bytes.fromhex("02000000000b")
CAME = 5_000
NIC = 77_000


def reply(
    number: int, stamp: int = 0, hardware_at: int = NIC, verdict: Verdict = Verdict.REPLY, now: int = CAME
) -> Reply:
    """One to this request, whose stamp is known or not."""
    match = Match(verdict, number, 100, False, True, hardware_stamp=stamp)
    return Reply(Seen(number, MAC, 0, None, 1), match, 1, hardware_at, now)


def taken(early: EarlyReplies, now: int = CAME, stamps: dict[int, int] | None = None) -> list[tuple[int, int]]:
    """The requests' numbers and stamps of those that need not wait any more."""
    ready = early.ready(now, lambda number: (stamps or {}).get(number, 0))
    return [(one.match.number, one.match.hardware_stamp) for one in ready]


def test_one_that_has_its_stamp() -> None:
    """Does not wait."""
    early = EarlyReplies()
    early.put(reply(1, stamp=NIC))
    assert taken(early) == [(1, NIC)]
    assert (bool(early), early.deadline) == (False, None)


def test_one_whose_stamp_comes() -> None:
    """Waits for it, and gets it."""
    early = EarlyReplies()
    early.put(reply(1))
    assert (taken(early), bool(early)) == ([], True)
    assert taken(early, stamps={1: NIC}) == [(1, NIC)]


def test_one_whose_stamp_does_not_come() -> None:
    """Waits until its deadline, no longer."""
    early = EarlyReplies()
    early.put(reply(1))
    assert early.deadline == CAME + PATIENCE
    assert taken(early, CAME + PATIENCE - 1) == []
    assert taken(early, CAME + PATIENCE) == [(1, 0)]


@pytest.mark.parametrize(
    "useless",
    [reply(1, hardware_at=0), reply(1, verdict=Verdict.DUPLICATE), reply(1, verdict=Verdict.LATE)],
    ids=["not stamped itself", "duplicate", "late"],
)
def test_no_stamp_would_be_of_use(useless: Reply) -> None:
    """It does not wait for one."""
    early = EarlyReplies()
    early.put(useless)
    assert taken(early) == [(1, 0)]


def test_none_overtakes_another() -> None:
    """A later one waits for the first; then both go."""
    early = EarlyReplies()
    for one in (reply(1), reply(2, stamp=NIC), reply(3, hardware_at=0), reply(4, now=CAME + 1)):
        early.put(one)
    assert taken(early, stamps={2: NIC}) == []
    assert taken(early, stamps={1: NIC - 9}) == [(1, NIC - 9), (2, NIC), (3, 0)]
    assert taken(early, CAME + 1 + PATIENCE) == [(4, 0)]


def test_memory_is_bounded() -> None:
    """However many come: the first of too many goes without."""
    early = EarlyReplies()
    for number in range(1, MOST + 3):
        early.put(reply(number))
    assert taken(early) == [(1, 0), (2, 0)]
