"""A listener's counters, the sessions that it keeps, and the list of reasons."""

from __future__ import annotations

import pytest

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


def test_sessions_are_told_apart() -> None:
    """By the peer and by the session's number."""
    table = SessionTable()
    counts = [table.count(peer, session, 0) for peer, session in [(A, 1), (A, 1), (B, 1), (A, 2), (A, 1)]]
    assert counts == [1, 2, 1, 1, 3]


def test_a_full_table_keeps_nobody_new() -> None:
    """A new session reads 0, as often as it asks; the known ones go on counting."""
    table = SessionTable(capacity=2)
    assert [table.count(A, session, 0) for session in (1, 2, 3, 3)] == [1, 1, 0, 0]
    assert table.count(A, 1, 0) == 2


@pytest.mark.parametrize(("silent", "kept"), [(MINUTE - 1, 0), (MINUTE, 1)])
def test_silence_makes_room(silent: int, kept: int) -> None:
    """A session that has been silent for a minute may be forgotten, not before."""
    table = SessionTable(capacity=1)
    table.count(A, 1, 0)
    assert table.count(B, 1, silent) == kept


def test_the_longest_silent_goes() -> None:
    """Not the oldest session but the one that was silent longest."""
    table = SessionTable(capacity=2)
    table.count(A, 1, 0)
    table.count(A, 2, 1)
    table.count(A, 1, MINUTE)
    assert table.count(B, 1, MINUTE + 1) == 1
    assert table.count(A, 1, MINUTE + 1) == 3
    assert table.count(A, 2, MINUTE + 1) == 0


def test_count_wraps_past_zero() -> None:
    """0 says "not kept", so the count goes from its highest value to 1."""
    table = SessionTable()
    table.count(A, 1, 0)
    table._sessions[A, 1] = (2**32 - 1, 0)
    assert [table.count(A, 1, 0) for _ in range(2)] == [1, 2]


def test_table_is_bounded() -> None:
    """However many sessions come, and whenever."""
    table = SessionTable(capacity=50)
    for number in range(5000):
        table.count(A, number, number * MINUTE // 40)
        assert len(table._sessions) <= 50
