"""A probe's session: when it sends, and how it ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from rawechod.probe.session import BURST, CATCH_UP, Plan, Session

MS = 1_000_000
SECOND = 1000 * MS
START = 5 * SECOND
A = bytes.fromhex("020000000001")


def plan(count: int = 3, interval: int = SECOND, timeout: int = SECOND, deadline: int = 0) -> Plan:
    """A plan for one target."""
    return Plan(count, interval, timeout, deadline)


def send(session: Session, now: int) -> list[int]:
    """Send what is due, at `now`."""
    numbers = session.due(now)
    session.left(now, now, [now] * len(numbers))
    return list(numbers)


def walk(session: Session, answer: Callable[[int], bool] = lambda number: False) -> list[tuple[int, str, int]]:
    """Go from deadline to deadline until the session has finished: (ms, what, number)."""
    now, told = START, []
    for _ in range(10_000):
        told += [((now - START) // MS, "lost", number) for number in session.timed_out(now)]
        for number in send(session, now):
            told.append(((now - START) // MS, "sent", number))
            if answer(number):
                session.arrived(number, A, now)
        session.settle()
        if session.finished(now):
            return told
        deadline = session.next_deadline(now)
        assert deadline is not None
        assert deadline > now, "a deadline in the past would spin"
        now = deadline
    raise AssertionError("it never finishes")


def test_unanswered_run() -> None:
    """Requests leave at their interval, each is lost after its timeout, then the run is over."""
    told = walk(Session(plan(count=3, interval=100 * MS, timeout=250 * MS), START))
    assert told == [
        (0, "sent", 1),
        (100, "sent", 2),
        (200, "sent", 3),
        (250, "lost", 1),
        (350, "lost", 2),
        (450, "lost", 3),
    ]


def test_answered_run_ends_with_its_last_reply() -> None:
    """Nobody waits for a timeout when all have been answered."""
    session = Session(plan(count=3), START)
    assert walk(session, lambda number: True) == [(0, "sent", 1), (1000, "sent", 2), (2000, "sent", 3)]
    assert (session.sent, session.outstanding, session.course(0).ended) == (3, 0, "complete")


def test_run_waits_for_what_is_outstanding() -> None:
    """The last request was answered, an earlier one is still open: the run goes on until its timeout."""
    told = walk(Session(plan(count=2, interval=100 * MS, timeout=SECOND), START), lambda number: number == 2)
    assert told == [(0, "sent", 1), (100, "sent", 2), (1000, "lost", 1)]


def test_group_run_waits_out_its_timeouts() -> None:
    """Others of the group may answer until the last timeout."""
    session = Session(Plan(1, SECOND, SECOND, group=True), START)
    send(session, START)
    session.arrived(1, A, START + MS)
    assert session.outstanding == 0
    assert not session.finished(START + MS)
    assert session.next_deadline(START + MS) == START + SECOND
    assert session.timed_out(START + SECOND) == []
    assert session.finished(START + SECOND)


def test_count_zero_goes_on() -> None:
    """Until it is stopped."""
    session = Session(plan(count=0), START)
    for number in range(1, 500):
        now = START + (number - 1) * SECOND
        session.timed_out(now)
        assert send(session, now) == [number]
        assert not session.finished(now)


def test_deadline_ends_the_sending() -> None:
    """What was sent before it is still waited for, up to its timeout."""
    session = Session(plan(count=0, interval=100 * MS, timeout=SECOND, deadline=250 * MS), START)
    assert walk(session, lambda number: number == 2) == [
        *((0, "sent", 1), (100, "sent", 2), (200, "sent", 3)),
        *((1000, "lost", 1), (1200, "lost", 3)),
    ]
    assert (session.outstanding, session.course(0).ended) == (0, "deadline")


def test_stop_ends_the_sending() -> None:
    """Nothing more is sent; what is outstanding is waited for."""
    session = Session(plan(count=5), START)
    send(session, START)
    session.stop(START)
    assert not session.finished(START)
    assert send(session, START + SECOND) == []
    assert session.timed_out(START + SECOND) == [1]
    assert session.finished(START + SECOND)
    assert session.course(0).ended == "interrupted"


def test_stop_of_a_run_that_has_sent_all() -> None:
    """It was complete anyway."""
    session = Session(plan(count=1), START)
    send(session, START)
    session.stop(START)
    assert session.course(0).ended == "complete"


def test_end_ends_the_run_at_once() -> None:
    """What is outstanding stays so."""
    session = Session(plan(count=5), START)
    send(session, START)
    session.end("daemon")
    assert session.finished(START)
    assert send(session, START + SECOND) == []
    course = session.course(START)
    assert (course.sent, course.outstanding, course.ended) == (1, 1, "daemon")


@pytest.mark.parametrize(
    ("rtt", "timeout", "tail"),
    [(MS, SECOND, 10 * MS), (20 * MS, SECOND, 40 * MS), (SECOND, 9 * SECOND, 100 * MS), (MS, 2 * MS, 2 * MS)],
)
def test_copies_of_the_last_reply_are_waited_for(rtt: int, timeout: int, tail: int) -> None:
    """Two more round trips, 10 to 100 ms, never longer than the timeout; they are not part of the duration."""
    session = Session(plan(count=1, timeout=timeout), START)
    send(session, START)
    session.arrived(1, A, START + rtt)
    end = START + rtt + tail
    assert not session.finished(START + rtt)
    assert session.next_deadline(START + rtt) == end
    assert not session.finished(end - 1)
    assert session.finished(end)
    assert session.course(end).done_at == START + rtt


def test_sends_nothing_before_its_time() -> None:
    """One nanosecond early is early."""
    session = Session(plan(), START)
    assert send(session, START) == [1]
    assert send(session, START + SECOND - 1) == []
    assert send(session, START + SECOND) == [2]


def test_timeout_is_exact() -> None:
    """One nanosecond before its timeout a request is not lost."""
    session = Session(plan(timeout=10 * MS), START)
    send(session, START)
    assert session.timed_out(START + 10 * MS - 1) == []
    assert session.timed_out(START + 10 * MS) == [1]
    assert session.timed_out(START + 10 * MS) == []


def test_pace_does_not_drift() -> None:
    """Woken late each time, it still sends on the grid of its interval."""
    session = Session(plan(count=0, interval=10 * MS), START)
    for number in range(1, 100):
        assert send(session, START + (number - 1) * 10 * MS + 3 * MS) == [number]
        assert session.next_deadline(START) == START + number * 10 * MS


def test_stall_is_made_up_for_within_bounds() -> None:
    """After ten seconds asleep it sends what was due, what CATCH_UP holds, and not what ten seconds would."""
    session = Session(plan(count=0, interval=10 * MS, timeout=60 * SECOND), START)
    send(session, START)
    now = START + 10 * SECOND
    burst = list(itertools.chain.from_iterable(iter(lambda: send(session, now), [])))
    assert len(burst) == CATCH_UP // (10 * MS) + 2
    assert session.next_deadline(now) == now + 10 * MS


def test_one_go_is_bounded() -> None:
    """A tiny interval sends at most BURST in one go, the rest in the next."""
    session = Session(plan(count=0, interval=10_000, timeout=60 * SECOND), START)
    assert send(session, START + SECOND) == list(range(1, BURST + 1))
    assert send(session, START + SECOND) == list(range(BURST + 1, 2 * BURST + 1))
    deadline = session.next_deadline(START + SECOND)
    assert deadline is not None
    assert deadline <= START + SECOND


def test_a_request_that_could_not_leave() -> None:
    """It counts as sent, is not outstanding, and nobody waits for it; the pace is kept."""
    session = Session(plan(count=2, interval=100 * MS), START)
    for number, now in ((1, START), (2, START + 100 * MS)):
        assert list(session.due(now)) == [number]
        session.left(now, now, [now], {0: 100})
        assert (session.sent, session.outstanding) == (number, 0)
        if number == 1:
            assert session.next_deadline(START) == START + 100 * MS
    assert session.finished(START + 100 * MS)


def test_a_flood_that_the_kernel_refuses() -> None:
    """One attempt at a time, from 1 ms on twice as long after each, at most 100 ms; then it goes on at once."""
    session, now, waits = Session(Plan(0, SECOND, SECOND, window=64), START), START, []
    for most in (64, *[1] * 9):
        numbers = session.due(now)
        assert len(numbers) == most
        session.left(now, now, [now] * most, dict.fromkeys(range(most), 105))
        assert not session.due(now)
        deadline = session.next_deadline(now)
        assert deadline is not None
        waits.append((deadline - now) // MS)
        now = deadline
    assert waits == [1, 2, 4, 8, 16, 32, 64, 100, 100, 100]
    assert send(session, now) == [74]
    assert len(send(session, now)) == 63


def test_a_slow_batch_is_not_lost_too_early() -> None:
    """The process stood still while it sent: the timeout counts from when the requests had left for sure."""
    session = Session(plan(count=1, timeout=10 * MS), START)
    session.due(START)
    session.left(START, START + SECOND, [START])
    assert session.timed_out(START + SECOND) == []
    assert session.timed_out(START + SECOND + 10 * MS) == [1]


@pytest.mark.parametrize("count", [1, 2, 64, 65, 1000])
def test_exactly_count_requests(count: int) -> None:
    """Neither one more nor one fewer, in any pace."""
    session = Session(plan(count=count, interval=10_000, timeout=MS), START)
    told = walk(session)
    assert [number for _, what, number in told if what == "sent"] == list(range(1, count + 1))
    assert sorted(number for _, what, number in told if what == "lost") == list(range(1, count + 1))
