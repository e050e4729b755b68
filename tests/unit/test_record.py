"""A probe's books: from what happened to the summary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.probe.codec import Seen
from rawechod.probe.events import Outage, Responder, Summary
from rawechod.probe.record import Record, Subject
from rawechod.probe.session import MOST_RESPONDERS, Course, Match, OutageSpan, Plan, Session, Verdict
from rawechod.probe.timing import Timing
from rawechod.wire import ethernet

MS = 1_000_000
START = 7_000 * MS
A, B = bytes.fromhex("02000000000a"), bytes.fromhex("02000000000b")


def record(target: bytes = A) -> Record:
    """An empty one."""
    return Record(Subject("eth1", 0x88B5, target, 60, 100 * MS), START)


def match(
    number: int, verdict: Verdict = Verdict.REPLY, reordered: bool = False, first: bool | None = None
) -> Match:
    """A match; a reply is the first unless said otherwise."""
    return Match(verdict, number, 0, reordered, verdict is not Verdict.DUPLICATE if first is None else first)


def course(sent: int, outstanding: int = 0, now: int = START) -> Course:
    """A session that sent so many requests until now."""
    return Course(sent, outstanding, sent, now)


def heard(books: Record, mac: bytes, found: Match, rtt: int, corrupted: bool, responder_seq: int) -> None:
    """A reply arrived."""
    seen = Seen(found.number, mac, 0, 54 if corrupted else None, responder_seq)
    books.arrived(seen, found, Timing(rtt, 0, False))


def test_outages() -> None:
    """By the clock; the one with the most requests is told in short."""
    spans = (OutageSpan(1, 5 * MS, 7, 1), OutageSpan(3, 300 * MS, 9 * MS, 4), OutageSpan(3, 200 * MS, 999 * MS, 9))
    summary = record().summary(course(1000)._replace(outages=spans))
    assert (summary.longest_loss_run, summary.outage_s) == (3, 0.3)
    assert summary.outages == [
        *(Outage(7, 5 * MS + 7, 1), Outage(9 * MS, 309 * MS, 3), Outage(999 * MS, 1199 * MS, 3)),
    ]


@pytest.mark.parametrize(("achieved", "said"), [(104 * MS, False), (110 * MS, True), (None, False)])
def test_a_pace_that_was_not_kept(achieved: int | None, said: bool) -> None:
    """Is told, and named."""
    summary = record().summary(course(1000)._replace(achieved_interval=achieved))
    assert (summary.interval_ns, summary.achieved_interval_ns) == (100 * MS, achieved)
    assert ["requests left every 110 ms on average, not every 100 ms" in note for note in summary.notes] == [
        True
    ] * said


def test_summary_of_a_mixed_run() -> None:
    """Every count in its place."""
    books = record()
    heard(books, A, match(1), 100, False, 1)
    heard(books, A, match(3), 300, True, 3)
    heard(books, A, match(2, reordered=True), 200, False, 2)
    heard(books, A, match(1, Verdict.DUPLICATE), 0, False, 3)
    heard(books, A, match(4, Verdict.LATE), 9000, False, 4)
    books.lose(4)
    books.lose(5, "ENETDOWN")
    books.strangers = 2
    summary = books.summary(course(6, 1, START + 1_500 * MS))
    assert (summary.interface, summary.ethertype, summary.target, summary.size) == (
        *("eth1", "ETH_P_802_EX1", "02:00:00:00:00:0a"),
        60,
    )
    counts = (summary.sent, summary.received, summary.lost, summary.outstanding, summary.late)
    assert counts == (6, 3, 2, 1, 1)
    assert (summary.duplicates, summary.reordered, summary.corrupted, summary.strangers) == (1, 1, 1, 2)
    assert (summary.loss_ratio, summary.duration_s) == (0.4, 1.5)
    assert summary.send_errors == {"ENETDOWN": 1}
    assert summary.responders == [Responder("02:00:00:00:00:0a", 3, 1, 1, 1, 4, 2)]


def test_late_and_duplicate_times_are_not_in_the_figures() -> None:
    """The round-trip figures are of the first replies in time alone."""
    books = record()
    heard(books, A, match(1), 100, False, 0)
    heard(books, A, match(1, Verdict.DUPLICATE), 50_000, False, 0)
    heard(books, A, match(2, Verdict.LATE), 90_000, False, 0)
    rtt = books.summary(course(2)).rtt_ns
    assert rtt is not None
    assert (rtt.min, rtt.max) == (100, 100)


def test_group_summary_lists_every_responder() -> None:
    """Received counts requests that anybody answered; responders come in the order of their MACs."""
    books = record(ethernet.BROADCAST)
    heard(books, B, match(1), 100, False, 1)
    heard(books, A, match(1, first=False), 200, False, 1)
    heard(books, B, match(2), 100, False, 2)
    summary = books.summary(course(2))
    assert summary.received == 2
    assert [(one.mac[-2:], one.received, one.requests_seen) for one in summary.responders] == [
        ("0a", 1, 1),
        ("0b", 2, 2),
    ]


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ("", "user"),
        ("u", "user"),
        ("kk", "kernel"),
        ("hh", "hardware"),
        ("uk", "mixed"),
        ("hk", "mixed"),
        ("uh", "mixed"),
        ("hku", "mixed"),
    ],
)
def test_whose_stamps(sources: str, told: str) -> None:
    """One word where all round trips are by the same clock: our own, the kernel's, the NIC's."""
    books = record()
    for number, source in enumerate(sources, start=1):
        times = Timing(10, 0, source == "k", hardware_stamped=source == "h")
        books.arrived(Seen(number, A, 0, None, 0), match(number), times)
    assert books.summary(course(len(sources))).timestamps == told


def test_nothing_sent() -> None:
    """A run that was stopped at once has no loss, no figures and no responders."""
    summary = record().summary(course(0))
    assert (summary.sent, summary.loss_ratio, summary.duration_s) == (0, None, 0.0)
    assert (summary.rtt_ns, summary.ipdv_ns, summary.responders, summary.notes) == (None, None, [], [])


def test_outstanding_is_not_in_the_loss_ratio() -> None:
    """Nobody knows of it yet."""
    books = record()
    books.received = books.lost = 1
    assert books.summary(course(3, 1)).loss_ratio == 0.5
    assert record().summary(course(3, 3)).loss_ratio is None


def _notes(target: bytes, window: int, lost: int) -> list[str]:
    """Of ten requests; the last one was answered if a window says what reached the responder."""
    books = record(target)
    for number in range(1, lost + 1):
        books.lose(number)
    if window:
        seen = Seen(10, A, 0, None, window.bit_count(), window=window)
        books.arrived(seen, match(10), Timing(100, 0, False))
    return books.summary(course(10)).notes


@pytest.mark.parametrize(
    ("target", "window", "lost", "words"),
    [
        (ethernet.PAE_GROUP, 0, 10, "ends at the first bridge"),
    ],
)
def test_notes(target: bytes, window: int, lost: int, words: str) -> None:
    """What the counts don't say."""
    (note,) = _notes(target, window, lost)
    assert words in note


@pytest.mark.parametrize(
    ("target", "window", "lost"),
    [
        (A, 0b1111111111, 9),
        (A, 1, 9),
        (A, 0b11, 0),
        (A, 0, 10),
        (ethernet.BROADCAST, 0b11, 9),
        (ethernet.PAE_GROUP, 0b11, 9),
    ],
)
def test_no_notes(target: bytes, window: int, lost: int) -> None:
    """Nothing is said that the counts say already."""
    assert _notes(target, window, lost) == []


def test_memory_for_responders_is_bounded() -> None:
    """Later ones are counted in the totals alone."""
    books = record(ethernet.BROADCAST)
    for number in range(2 * MOST_RESPONDERS):
        heard(books, bytes([6, *number.to_bytes(5)]), match(1, first=number == 0), 100, True, 1)
    summary = books.summary(course(1))
    assert len(summary.responders) == MOST_RESPONDERS
    assert summary.corrupted == 2 * MOST_RESPONDERS


happenings = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 30), st.just(A)),
        st.tuples(st.just("reply"), st.integers(0, 12), st.sampled_from([A, B])),
    ),
    max_size=80,
)


@given(happenings, st.sets(st.integers(1, 10)), st.booleans())
def test_books_balance(steps: list[tuple[str, int, bytes]], unsent: set[int], group: bool) -> None:
    """After any course of events: sent = received + lost + outstanding."""
    books, session = record(), Session(Plan(10, 5 * MS, 20 * MS, group=group), START)
    now = START
    for what, value, mac in steps:
        now += value * MS if what == "wait" else 0
        for number in session.timed_out(now):
            books.lose(number)
        numbers = session.due(now)
        refused = [place for place, number in enumerate(numbers) if number in unsent]
        session.left(now, now, [now] * len(numbers), refused)
        for place in refused:
            books.lose(numbers[place], "ENOBUFS")
        found = session.arrived(value, mac, now) if what == "reply" else None
        if found:
            heard(books, mac, found, found.rtt, False, 0)
    session.settle()
    _balanced(books.summary(session.course(now)))


def _balanced(summary: Summary) -> None:
    assert summary.sent == summary.received + summary.lost + summary.outstanding
    assert min(summary.received, summary.lost, summary.outstanding) >= 0
    assert (summary.loss_ratio is None) == (not summary.received + summary.lost)
    assert 0 <= (summary.loss_ratio or 0) <= 1
    assert sum(summary.send_errors.values()) <= summary.lost
    ways = (summary.lost_forward, summary.lost_backward, summary.lost_responder, summary.lost_here)
    assert summary.lost == sum(ways) + summary.late + summary.lost_undetermined
    assert min(*ways, summary.late, summary.lost_undetermined) >= 0
    counted = sum(one.requests for one in summary.outages)
    assert counted == summary.lost or (counted < summary.lost and summary.outstanding)
    assert min(counted, 1) <= summary.longest_loss_run <= counted
    assert (summary.rtt_ns is None) == (summary.received == 0)
    assert sum(one.received for one in summary.responders) >= summary.received
    assert sum(one.duplicates for one in summary.responders) == summary.duplicates
