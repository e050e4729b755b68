"""Which reply belongs to which request: duplicates, reordering (RFC 4737), late ones, wrapped numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.probe import session as module
from rawechod.probe.session import MOST_RESPONDERS, Match, Plan, Session, Verdict

MS = 1_000_000
SECOND = 1000 * MS
T1 = 1_800_000_000 * SECOND
"""The system's time when the monotonic clock is at 0."""
A, B, C = (bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3))
REPLY, DUPLICATE, LATE = Verdict.REPLY, Verdict.DUPLICATE, Verdict.LATE


def started(sent: int, group: bool = False, timeout: int = SECOND) -> Session:
    """A session that has sent some requests, one a millisecond from 0 on."""
    session = Session(Plan(0, MS, timeout, group=group), 0)
    for number in range(sent):
        due = session.due(number * MS)
        session.left(number * MS, number * MS, [T1 + number * MS] * len(due))
    assert session.sent == sent
    return session


def arrive(session: Session, seq: int, now: int, responder: bytes = A) -> Match:
    """A reply that finds its request."""
    session.timed_out(now)
    match = session.arrived(seq, responder, now)
    assert match is not None
    return match


def test_reply() -> None:
    """Its number, its time, and that it is the first."""
    session = started(3)
    assert arrive(session, 2, 5 * MS) == Match(REPLY, 2, 4 * MS, False, True, t1=T1 + MS)
    assert session.outstanding == 2


def test_duplicates() -> None:
    """Every further one of the same responder; the request is answered once."""
    session = started(1)
    verdicts = [arrive(session, 1, 5 * MS).verdict for _ in range(3)]
    assert verdicts == [REPLY, DUPLICATE, DUPLICATE]
    assert session.outstanding == 0
    assert arrive(session, 1, 9 * MS) == Match(DUPLICATE, 1, 9 * MS, False, False, t1=T1)


def test_duplicate_after_the_timeout() -> None:
    """The request was answered in time: a copy that takes long is still a duplicate."""
    session = started(1)
    arrive(session, 1, MS)
    assert arrive(session, 1, 5 * SECOND) == Match(DUPLICATE, 1, 5 * SECOND, False, False, t1=T1)


@pytest.mark.parametrize(
    ("arriving", "reordered"),
    [
        ((1, 2, 3, 4, 5), ()),
        ((1, 5, 2, 3, 4, 6), (2, 3, 4)),
        ((1, 3, 2, 4), (2,)),
        ((5, 4, 3, 2, 1), (4, 3, 2, 1)),
        ((2, 3, 5, 6), ()),
        ((6, 1), (1,)),
    ],
)
def test_reordering(arriving: tuple[int, ...], reordered: tuple[int, ...]) -> None:
    """RFC 4737: reordered is what is below the next expected; a gap by itself is none."""
    session = started(6)
    matches = [arrive(session, seq, 10 * MS) for seq in arriving]
    assert tuple(match.number for match in matches if match.reordered) == reordered


def test_duplicates_are_not_reordered() -> None:
    """A copy of an old reply is a duplicate and nothing else."""
    session = started(3)
    matches = [arrive(session, seq, 10 * MS) for seq in (1, 2, 3, 1, 2)]
    assert not any(match.reordered for match in matches)


@given(st.permutations(range(1, 9)))
def test_reordering_against_the_definition(arriving: list[int]) -> None:
    """For any order: below the highest that came before."""
    session = started(8)
    found = [arrive(session, seq, 10 * MS).reordered for seq in arriving]
    assert found == [any(before > seq for before in arriving[:index]) for index, seq in enumerate(arriving)]


def test_late_is_lost_already() -> None:
    """A reply after its timeout is late, with its real time, its copies are duplicates; the request stays lost."""
    session = started(2, timeout=10 * MS)
    assert session.timed_out(11 * MS) == [1, 2]
    assert session.outstanding == 0
    assert arrive(session, 2, 12 * MS) == Match(LATE, 2, 11 * MS, False, True, t1=T1 + MS)
    assert arrive(session, 2, 15 * MS) == Match(DUPLICATE, 2, 14 * MS, False, False, t1=T1 + MS)
    assert session.outstanding == 0


def test_in_time_is_what_came_in_time() -> None:
    """However late it is read: the kernel's receive stamp counts, from t1 or from the transmit stamp on."""
    session = started(3, timeout=10 * MS)
    session.stamped(2, T1 + 5 * MS)
    matches = [
        session.arrived(seq, A, SECOND, T1 + came)
        for seq, came in ((1, 10 * MS - 1), (2, 15 * MS - 1), (3, 12 * MS))
    ]
    assert [(match.verdict, match.overdue) for match in matches if match] == [
        *((REPLY, False), (REPLY, False), (LATE, True)),
    ]
    assert session.outstanding == 0


@pytest.mark.parametrize("received_at", [0, T1 - 1])
def test_in_time_without_a_stamp(received_at: int) -> None:
    """Or with one that makes no sense: then it came when it was read."""
    session = started(1, timeout=10 * MS)
    match = session.arrived(1, A, 10 * MS, received_at)
    assert match is not None
    assert (match.verdict, match.overdue) == (LATE, True)


def test_group_members_all_reply() -> None:
    """Each member's first answer is a reply; the first of all answers the request."""
    session = started(2, group=True)
    matches = [arrive(session, 1, 5 * MS, responder) for responder in (A, B, A, C)]
    assert [match.verdict for match in matches] == [REPLY, REPLY, DUPLICATE, REPLY]
    assert [match.first for match in matches] == [True, False, False, False]
    assert session.outstanding == 1


def test_group_members_are_reordered_each_for_itself() -> None:
    """B is slower than A: that is no reordering."""
    session = started(2, group=True)
    order = [(1, A), (2, A), (1, B), (2, B), (2, C), (1, C)]
    assert [arrive(session, seq, 5 * MS, mac).reordered for seq, mac in order] == [False] * 5 + [True]


def test_slow_group_member() -> None:
    """After the timeout of a request that others answered, a member's answer is late, not a duplicate."""
    session = started(1, group=True)
    arrive(session, 1, MS, A)
    assert arrive(session, 1, 2 * SECOND, B).verdict is LATE


@pytest.mark.parametrize("seq", [0, 4, 5, 1000, 2**31, 2**32 - 1])
def test_replies_to_nothing(seq: int) -> None:
    """Numbers that were not sent match nothing."""
    session = started(3)
    assert session.arrived(seq, A, 5 * MS) is None
    assert session.outstanding == 3


def test_nothing_sent() -> None:
    """Before the first request nothing matches."""
    session = Session(Plan(1, SECOND, SECOND), 0)
    assert [session.arrived(seq, A, 0) for seq in (0, 1, 2**32 - 1)] == [None] * 3


@pytest.mark.parametrize(("seq", "number"), [(3, 3), (2, 2), (4, 4), (2**31, 2**31), (2**32 - 1, -1)])
def test_nearest_number(seq: int, number: int) -> None:
    """To the last that was sent."""
    assert started(3).nearest(seq) == number


def test_numbers_wrap() -> None:
    """Behind seq 4294967295 comes 0; replies on both sides of it find their requests, in order."""
    session = Session(Plan(0, MS, SECOND), 0, first=2**32 - 2)
    sent = [number for now in range(5) for number in session.due(now * MS)]
    assert [number & 0xFFFFFFFF for number in sent] == [2**32 - 2, 2**32 - 1, 0, 1, 2]
    session.left(0, 0, [0] * 5)
    matches = [arrive(session, seq, 9 * MS) for seq in (2**32 - 2, 0, 2**32 - 1, 1)]
    assert [match.number - 2**32 for match in matches] == [-2, 0, -1, 1]
    assert [match.reordered for match in matches] == [False, False, True, False]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are lost or answered; the latest are recognised when they come late or again."""
    monkeypatch.setattr(module, "KEPT", 10)
    session = started(0, timeout=3 * MS)
    for now in range(0, 1000 * MS, MS):
        number = session.due(now)[0]
        session.left(now, now, [T1 + now])
        if number % 2:
            arrive(session, number, now)
        session.timed_out(now)
        session.settle()
        assert len(session._fates) <= 20
    assert [arrive(session, number, SECOND).verdict for number in (998, 997, 994)] == [LATE, DUPLICATE, LATE]
    assert arrive(session, 4, SECOND) == Match(DUPLICATE, 4, 0, False, False)


def test_a_flood_waits_for_its_oldest_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without an answer and a long timeout: only so many more are sent meanwhile."""
    monkeypatch.setattr(module, "MOST_UNSETTLED", 100)
    session, sent = Session(Plan(0, MS, 60 * SECOND, window=10), 0), 0
    for now in range(50):
        numbers = session.due(now)
        session.left(now, now, [T1 + now] * len(numbers))
        sent += len(numbers)
        for number in numbers:
            if number > 1:
                arrive(session, number, now)
        session.settle()
    assert 100 <= sent < 110
    assert session.next_deadline(50) == 60 * SECOND


def test_memory_for_responders_is_bounded() -> None:
    """Whoever invents sources that answer a group request neither fills the memory nor slows the rest."""
    session = started(1, group=True)
    for responder in _invented(5 * MOST_RESPONDERS):
        session.arrived(1, responder, MS)
    assert len(session._highest) <= MOST_RESPONDERS
    assert all(len(answered_by) <= MOST_RESPONDERS for answered_by in session._answered_by.values())


def _invented(amount: int) -> Iterable[bytes]:
    return (bytes([6, *number.to_bytes(5)]) for number in range(amount))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 30)),
        st.tuples(st.just("reply"), st.integers(0, 12)),
    ),
    max_size=60,
)


@given(steps, st.booleans())
def test_any_course_keeps_the_books(course: list[tuple[str, int]], group: bool) -> None:
    """In any interleaving: sent = first replies + lost + outstanding, each request in one of them once."""
    session, now = Session(Plan(10, 5 * MS, 20 * MS, group=group), 0), 0
    answered: list[int] = []
    lost: list[int] = []
    for what, value in course:
        now += value * MS if what == "wait" else 0
        lost += session.timed_out(now)
        session.left(now, now, [T1 + now] * len(session.due(now)))
        match = session.arrived(value, A, now) if what == "reply" else None
        answered += [match.number] if match and match.first and match.verdict is REPLY else []
        assert session.sent == len(answered) + len(lost) + session.outstanding
    assert len({*answered, *lost}) == len(answered) + len(lost)


FATES = st.lists(st.sampled_from(["answered", "lost", "refused", "late"]), min_size=1, max_size=60)


@given(FATES, st.randoms())
def test_outages_against_the_definition(fates: list[str], shuffle: Random) -> None:
    """Runs of requests without an answer in time, whatever becomes known first."""
    session = Session(Plan(len(fates), MS, SECOND), 0)
    for index, fate in enumerate(fates):
        session.due(index * MS)
        session.left(index * MS, index * MS, [T1 + index * MS], {0: 1} if fate == "refused" else {})
        session.settle()
    answered = [number for number, fate in enumerate(fates, start=1) if fate == "answered"]
    shuffle.shuffle(answered)
    for number in answered:
        session.arrived(number, A, 100 * MS)
        session.settle()
    session.timed_out(2 * SECOND)
    for number in (number for number, fate in enumerate(fates, start=1) if fate == "late"):
        session.arrived(number, A, 3 * SECOND)
    session.settle()
    expected, index = [], 0
    for answers, run in groupby(fates, key=lambda fate: fate == "answered"):
        length = len(list(run))
        end = (index + length) * MS if index + length < len(fates) else 5 * SECOND
        expected += [] if answers else [(length, end - index * MS, T1 + index * MS, index + 1)]
        index += length
    assert list(session.course(5 * SECOND).outages) == expected


def test_outages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with the most requests are kept, in order of time."""
    monkeypatch.setattr(module, "MOST_OUTAGES", 3)
    session = started(30)
    for number in range(1, 31):
        if number not in {2, 3, 5, 10, 11, 12, 20, 21, 28}:
            session.arrived(number, A, 40 * MS)
    session.timed_out(2 * SECOND)
    session.settle()
    outages = session.course(2 * SECOND).outages
    assert [(span.requests, (span.started_at - T1) // MS) for span in outages] == [(2, 1), (3, 9), (2, 19)]


def test_an_outage_over_a_step_of_the_clock() -> None:
    """Its length is by the clock that never steps."""
    session = Session(Plan(2, SECOND, SECOND), 0)
    for now, t1 in ((0, T1), (SECOND, T1 - 3600 * SECOND)):
        session.due(now)
        session.left(now, now, [t1], {0: 1} if not now else {})
    session.arrived(2, A, SECOND)
    session.settle()
    assert session.course(SECOND).outages == ((1, SECOND, T1, 1),)
