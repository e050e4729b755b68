"""A probe's books: from what happened to the summary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.probe.codec import Seen
from rawechod.probe.events import Responder, Summary
from rawechod.probe.record import Record, Subject
from rawechod.probe.session import MOST_RESPONDERS, Match, Plan, Session, Verdict
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
    return Match(verdict, number, 0, reordered, verdict is Verdict.REPLY if first is None else first)


def heard(books: Record, mac: bytes, found: Match, rtt: int, corrupted: bool, responder_seq: int) -> None:
    """A reply arrived."""
    seen = Seen(found.number, mac, 0, 54 if corrupted else None, responder_seq)
    books.arrived(seen, found, Timing(rtt, 0, False))


@pytest.mark.parametrize(("interval", "outage"), [(100 * MS, 0.3), (0, 0.006)])
def test_outage(interval: int, outage: float) -> None:
    """The longest run of losses as a time: by the interval, in a flood by the mean time between requests."""
    books = Record(Subject("eth1", 0x88B5, A, 60, interval), START)
    for number in (2, 3, 4, 7):
        books.lose(number)
    summary = books.summary(sent=1000, outstanding=996, now=START + 2_000 * MS)
    assert (summary.longest_loss_run, summary.outage_s) == (3, outage)


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
    summary = books.summary(sent=6, outstanding=1, now=START + 1_500 * MS)
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
    rtt = books.summary(2, 0, START).rtt_ns
    assert rtt is not None
    assert (rtt.min, rtt.max) == (100, 100)


def test_group_summary_lists_every_responder() -> None:
    """Received counts requests that anybody answered; responders come in the order of their MACs."""
    books = record(ethernet.BROADCAST)
    heard(books, B, match(1), 100, False, 1)
    heard(books, A, match(1, first=False), 200, False, 1)
    heard(books, B, match(2), 100, False, 2)
    summary = books.summary(2, 0, START)
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
    assert books.summary(len(sources), 0, START).timestamps == told


def test_nothing_sent() -> None:
    """A run that was stopped at once has no loss, no figures and no responders."""
    summary = record().summary(0, 0, START)
    assert (summary.sent, summary.loss_ratio, summary.duration_s) == (0, None, 0.0)
    assert (summary.rtt_ns, summary.ipdv_ns, summary.responders, summary.notes) == (None, None, [], [])


def test_outstanding_is_not_in_the_loss_ratio() -> None:
    """Nobody knows of it yet."""
    books = record()
    books.received = books.lost = 1
    assert books.summary(sent=3, outstanding=1, now=START).loss_ratio == 0.5
    assert record().summary(sent=3, outstanding=3, now=START).loss_ratio is None


def _notes(target: bytes, arrived: int, lost: int) -> list[str]:
    books = record(target)
    books.lost = lost
    if arrived:
        heard(books, A, match(1), 100, False, arrived)
    return books.summary(10, 0, START).notes


@pytest.mark.parametrize(
    ("target", "arrived", "lost", "words"),
    [
        (A, 10, 9, "10 requests reached the responder, 1 answers came back"),
        (ethernet.PAE_GROUP, 0, 10, "ends at the first bridge"),
    ],
)
def test_notes(target: bytes, arrived: int, lost: int, words: str) -> None:
    """What the counts mean is said."""
    (note,) = _notes(target, arrived, lost)
    assert words in note


@pytest.mark.parametrize(
    ("target", "arrived", "lost"),
    [(A, 1, 9), (A, 11, 9), (A, 10, 0), (A, 0, 10), (ethernet.BROADCAST, 10, 9), (ethernet.PAE_GROUP, 1, 9)],
)
def test_no_notes(target: bytes, arrived: int, lost: int) -> None:
    """Nothing is said where the counts don't tell it."""
    assert _notes(target, arrived, lost) == []


def test_memory_for_responders_is_bounded() -> None:
    """Later ones are counted in the totals alone."""
    books = record(ethernet.BROADCAST)
    for number in range(2 * MOST_RESPONDERS):
        heard(books, bytes([6, *number.to_bytes(5)]), match(1, first=number == 0), 100, True, 1)
    summary = books.summary(1, 0, START)
    assert len(summary.responders) == MOST_RESPONDERS
    assert summary.corrupted == 2 * MOST_RESPONDERS


course = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 30), st.just(A)),
        st.tuples(st.just("reply"), st.integers(0, 12), st.sampled_from([A, B])),
    ),
    max_size=80,
)


@given(course, st.sets(st.integers(1, 10)), st.booleans())
def test_books_balance(steps: list[tuple[str, int, bytes]], unsent: set[int], group: bool) -> None:
    """After any course of events: sent = received + lost + outstanding."""
    books, session = record(), Session(Plan(10, 5 * MS, 20 * MS, group=group), START)
    now = START
    for what, value, mac in steps:
        now += value * MS if what == "wait" else 0
        for number in session.timed_out(now):
            books.lose(number)
        for number in session.due(now):
            if number in unsent:
                books.lose(number, "ENOBUFS")
            else:
                session.sent_at(number, now)
        found = session.arrived(value, mac, now) if what == "reply" else None
        if found:
            heard(books, mac, found, found.rtt, False, 0)
    _balanced(books.summary(session.sent, session.outstanding, now))


def _balanced(summary: Summary) -> None:
    assert summary.sent == summary.received + summary.lost + summary.outstanding
    assert min(summary.received, summary.lost, summary.outstanding) >= 0
    assert (summary.loss_ratio is None) == (not summary.received + summary.lost)
    assert 0 <= (summary.loss_ratio or 0) <= 1
    assert sum(summary.send_errors.values()) <= summary.lost
    assert summary.lost_forward + summary.lost_backward <= summary.lost
    assert min(summary.lost, 1) <= summary.longest_loss_run <= summary.lost
    assert (summary.rtt_ns is None) == (summary.received == 0)
    assert sum(one.received for one in summary.responders) >= summary.received
    assert sum(one.duplicates for one in summary.responders) == summary.duplicates
