"""A listener's counters, the sessions that it keeps, and the list of reasons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.echo.counters import Counters, SessionTable
from rawechod.reasons import DropReason

A, B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
MINUTE = 60 * 10**9


def test_counters_tell_what_happened() -> None:
    """Each drop under its reason, errors of the kernel under their errno and as a reason; nothing else."""
    counters = Counters()
    counters.received += 7
    counters.replied += 2
    counters.drop(DropReason.REPLY)
    counters.drop(DropReason.FOREIGN, 2)
    counters.transmit_error("ENOBUFS")
    counters.transmit_error("ENETDOWN", 1)
    values = counters.values()
    assert (values.received, values.replied) == (7, 2)
    assert values.dropped == {"foreign": 2, "reply": 1, "transmit_error": 2}
    assert values.transmit_errors == {"ENOBUFS": 1, "ENETDOWN": 1}


def test_values_are_a_copy() -> None:
    """What was asked for earlier does not change."""
    counters = Counters()
    before = counters.values()
    counters.drop(DropReason.REPLY)
    counters.transmit_error("EIO")
    assert before.dropped == {}
    assert before.transmit_errors == {}


def test_every_reason_has_a_name_and_a_meaning() -> None:
    """Names are lower case words, told apart; meanings are texts for the documentation."""
    assert len({reason.value for reason in DropReason}) == len(DropReason)
    for reason in DropReason:
        assert reason.value == reason.name.lower()
        assert len(reason.meaning) > 20


def count(table: SessionTable, peer: bytes, session: int, now: int, seq: int | None = None) -> int:
    """`responder_seq` of the session's next request."""
    known = table._sessions.get((peer, session))
    return table.receive(peer, session, (known.highest + 1 if known else 1) if seq is None else seq, now)[0]


def test_sessions_are_told_apart() -> None:
    """By the peer and by the session's number."""
    table = SessionTable()
    counts = [count(table, peer, session, 0) for peer, session in [(A, 1), (A, 1), (B, 1), (A, 2), (A, 1)]]
    assert counts == [1, 2, 1, 1, 3]


def test_a_full_table_keeps_nobody_new() -> None:
    """A new session reads 0, as often as it asks; the known ones go on counting."""
    table = SessionTable(capacity=2)
    assert [count(table, A, session, 0) for session in (1, 2, 3, 3)] == [1, 1, 0, 0]
    assert table.receive(A, 3, 1, 0) == (0, 0)
    assert count(table, A, 1, 0) == 2


@pytest.mark.parametrize(("silent", "kept"), [(MINUTE - 1, 0), (MINUTE, 1)])
def test_silence_makes_room(silent: int, kept: int) -> None:
    """A session that has been silent for a minute may be forgotten, not before."""
    table = SessionTable(capacity=1)
    count(table, A, 1, 0)
    assert count(table, B, 1, silent) == kept


def test_the_longest_silent_goes() -> None:
    """Not the oldest session but the one that was silent longest."""
    table = SessionTable(capacity=2)
    count(table, A, 1, 0)
    count(table, A, 2, 1)
    count(table, A, 1, MINUTE)
    assert count(table, B, 1, MINUTE + 1) == 1
    assert count(table, A, 1, MINUTE + 1) == 3
    assert count(table, A, 2, MINUTE + 1) == 0


def test_count_wraps_past_zero() -> None:
    """0 says "not kept", so the count goes from its highest value to 1."""
    table = SessionTable()
    count(table, A, 1, 0)
    table._sessions[A, 1].count = 2**32 - 2
    assert [count(table, A, 1, 0) for _ in range(3)] == [2**32 - 1, 1, 2]


def test_table_is_bounded() -> None:
    """However many sessions come, and whenever."""
    table = SessionTable(capacity=50)
    for number in range(5000):
        count(table, A, number, number * MINUTE // 40)
        assert len(table._sessions) <= 50


def received(*seqs: int) -> list[tuple[int, int]]:
    """What a session's replies say of it."""
    table = SessionTable()
    return [table.receive(A, 1, seq, 0) for seq in seqs]


def test_window_and_count() -> None:
    """Lost, doubled and overtaken requests."""
    assert received(1, 2, 2, 5, 4, 3, 5) == [
        (1, 1),
        (2, 3),
        (2, 3),
        (3, 0b11001),
        (4, 0b1101),
        (5, 0b111),
        (5, 31),
    ]


@given(st.lists(st.integers(0, 127), min_size=1, max_size=300), st.integers(0, 2**32 - 1))
def test_windows_of_any_order(offsets: list[int], first: int) -> None:
    """Numbers that stay within the history of each other, wrapping or not: a window says what came, no more."""
    seqs = [first + offset & 0xFFFFFFFF for offset in offsets]
    came: set[int] = set()
    for seq, (count_, window) in zip(seqs, received(*seqs), strict=True):
        came.add(seq)
        assert count_ == len(came)
        truth = sum(1 << i for i in range(64) if seq - i & 0xFFFFFFFF in came)
        highest = max(came, key=lambda each: each - first & 0xFFFFFFFF)
        assert window == (truth if highest - seq & 0xFFFFFFFF <= 64 else 0)


@pytest.mark.parametrize("corrupted", [1 << 31 | 4, 1 << 10 | 4, 500])
def test_a_corrupted_number_makes_nothing_old(corrupted: int) -> None:
    """One request far ahead is not believed."""
    assert received(1, 2, 3, corrupted, 5, 6)[-2:] == [(4, 0b11101), (5, 0b111011)]


def test_after_an_outage_the_second_request_is_believed() -> None:
    """Far ahead of the last one: the first of them has no place yet, the next one follows it."""
    assert received(1, 2, 500, 501, 503)[2:] == [(0, 0), (4, 3), (5, 0b1101)]


def test_a_session_that_begins_with_a_corrupted_number() -> None:
    """Its true numbers are believed from the second on, though they are far behind."""
    assert received(1 << 30, 2, 3, 4)[1:] == [(0, 0), (3, 3), (4, 7)]


def test_far_overtaken() -> None:
    """Of a request that old nobody knows whether it came before: it counts, and has no window."""
    assert received(*range(1, 300), 10, 11, 300)[-3:] == [(300, 0), (301, 0), (302, 2**64 - 1)]
    assert received(*range(1, 300), 10 + 2**31, 300)[-2:] == [(0, 0), (300, 2**64 - 1)]
