"""One event, one entry: fields as journald wants them, readable lines on stderr, bounds on both."""

from __future__ import annotations

import os
import socket
import string
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rawechod import events, journal
from rawechod.events import EVENTS, Event
from rawechod.journal import QUEUE_LENGTH, REPEATS, WINDOW, _Writer
from tests.lab import REPOSITORY

NATIVE = "/run/systemd/journal/socket"
WRITE = """
import os, sys
status = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
from rawechod import events, journal
journal.start("notice")
def somewhere():
    journal.emit(events.CLIENT_CUT_OFF, uid=7, problem="one\\ntwo")
somewhere()
journal.emit(events.RELOADED, config="below the level")
journal.emit(events.RELOAD_REFUSED, problem="b", config=sys.argv[1])
journal.emit(events.LISTENER_CHANGED, interface="eth1", mac="m", mtu=1400, ethertype="ETH_P_PAE")
journal.close()
"""
CODE = WRITE.splitlines()


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The journal writes to stderr, and stops behind the test."""
    yield
    journal.close()


def test_stderr_lines(lines: None, capfd: pytest.CaptureFixture[str]) -> None:
    """Time, level, sentence; in the order of the calls; what is below the level is not written."""
    journal.start("info")
    journal.emit(events.STOPPING, signal="SIGTERM")
    journal.emit(events.CLIENT_CUT_OFF, uid=7, problem="it is slow")
    journal.start("warning")
    journal.emit(events.STOPPING, signal="SIGINT")
    journal.emit(events.CLIENT_CUT_OFF, uid=8, problem="it is slow")
    journal.close()
    written = [line.split(maxsplit=2) for line in capfd.readouterr().err.splitlines()]
    assert [tuple(words[1:]) for words in written] == [
        ("info", "Stopping on SIGTERM"),
        ("warning", "A control client of uid 7 was cut off: it is slow"),
        ("warning", "A control client of uid 8 was cut off: it is slow"),
    ]


def test_control_characters(lines: None, capfd: pytest.CaptureFixture[str]) -> None:
    """What a file or the name of an interface has of them is written as escapes; lines stay lines."""
    journal.start("info")
    journal.emit(events.RELOAD_REFUSED, problem="one\x1b[2J\rtwo\x9b\u202e\nthree", config="x")
    journal.close()
    first, second = capfd.readouterr().err.split("\n")[:2]
    assert first.endswith(r"Old configuration kept: one\x1b[2J\rtwo\x9b\u202e")
    assert second == "three"


def test_silent_before_it_is_started(capfd: pytest.CaptureFixture[str]) -> None:
    """`--check-config` and the tests write nothing."""
    journal.emit(events.STOPPING, signal="SIGTERM")
    assert capfd.readouterr().err == ""


def test_repeats_are_limited(lines: None, capfd: pytest.CaptureFixture[str]) -> None:
    """One kind of event can't flood the journal, nor hide another."""
    journal.start("info")
    for number in range(10 * REPEATS):
        journal.emit(events.REFUSED, uid=number, method="x")
    journal.emit(events.STOPPING, signal="SIGTERM")
    journal.close()
    written = capfd.readouterr().err.splitlines()
    assert sum("may not call" in line for line in written) == REPEATS
    assert "Stopping on SIGTERM" in written[REPEATS]
    assert written[REPEATS + 1].endswith(
        " 270 entries of the kind refused were left out: more than 30 in 30 seconds"
    )
    assert len(written) == REPEATS + 2


def test_what_was_left_out_is_told_in_time(
    lines: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, by the loop when the time is over or by the next entry of that kind; others count for themselves."""
    clock, calls = [0], list[tuple[int, Callable[[], None]]]()
    monkeypatch.setattr(time, "monotonic_ns", lambda: clock[0])
    monkeypatch.setattr(journal._journal._repeats, "call_at", lambda when, call: calls.append((when, call)))
    journal.start("info")
    for number in range(2, 4):
        for uid in range(REPEATS + number):
            journal.emit(events.REFUSED, uid=uid, method="x")
        clock[0] += WINDOW
    (when, call), (_, late) = calls
    assert when == WINDOW
    call()
    late()
    journal.emit(events.REFUSED, uid=7, method="x")
    journal.close()
    written = [line.split(maxsplit=2)[2] for line in capfd.readouterr().err.splitlines()]
    told = [(at, line.split()[0]) for at, line in enumerate(written) if "left out" in line]
    assert told == [(REPEATS, "2"), (2 * REPEATS + 1, "3")]
    assert len(written) == 2 * REPEATS + 3


def test_queue_is_bounded() -> None:
    """With a writer that stalls nobody waits; what was lost is counted, and told when it goes on."""
    taken, stalled, written = threading.Event(), threading.Event(), []

    def write(entry: dict[str, object]) -> None:
        taken.set()
        stalled.wait(30)
        written.append(entry)

    writer = _Writer(write)
    writer.msg(number=0)
    assert taken.wait(30)
    for number in range(1, 3 * QUEUE_LENGTH):
        writer.msg(number=number)
    stalled.set()
    writer.close(timeout=30)
    told = [entry["MESSAGE"] for entry in written if "MESSAGE" in entry]
    kept = [entry["number"] for entry in written if "number" in entry]
    assert kept == list(range(QUEUE_LENGTH + 1))
    assert told == [f"{2 * QUEUE_LENGTH - 1} journal entries were not written: the journal stalled"]


def test_close_does_not_wait_for_ever() -> None:
    """A journal that has stalled does not hold the end up."""
    stalled = threading.Event()

    def write(_: dict[str, object]) -> None:
        stalled.wait(30)

    writer = _Writer(write)
    writer.msg(number=1)
    writer.close(timeout=0.01)
    stalled.set()


def test_stderr_is_the_journal_only_where_systemd_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """$JOURNAL_STREAM must name this very stderr."""
    status = os.fstat(sys.stderr.fileno())
    for value, expected in [(f"{status.st_dev}:{status.st_ino}", True), ("1:2", False), ("", False)]:
        monkeypatch.setenv("JOURNAL_STREAM", value)
        assert journal.stderr_is_journal() is expected
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not journal.stderr_is_journal()


def _entry(datagram: bytes) -> dict[str, str]:
    """systemd.io, "Native Journal Protocol": KEY=value lines, or KEY, a length and octets."""
    fields: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        key, is_text, value = line.partition(b"=")
        if not is_text:
            (length,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        fields[key.decode()] = value.decode()
        datagram = rest
    return fields


@pytest.fixture
def entries(root: None, tmp_path: Path) -> list[dict[str, str]]:
    """What a program that is connected to the journal writes to it: in a mount namespace, to a socket of ours."""
    script = tmp_path / "write.py"
    script.write_text(WRITE)
    received = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(received))
        inside = (
            f'mount -t tmpfs none /run && mkdir -p {Path(NATIVE).parent} && ln -s {received} {NATIVE} && exec "$@"'
        )
        command = ["unshare", "--mount", "sh", "-c", inside, "sh", sys.executable, str(script), "/tmp/\udcff.toml"]
        with (tmp_path / "stderr").open("wb") as stderr:
            subprocess.run(command, check=True, stderr=stderr, cwd=REPOSITORY, env=_environment())
        receiver.setblocking(False)
        return [_entry(receiver.recv(65536)) for _ in range(3)]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}


def test_native_fields(entries: list[dict[str, str]]) -> None:
    """RAWECHO_ fields in capitals, PRIORITY, identifier, MESSAGE_ID where there is one, the place in the code."""
    cut_off, refused, changed = entries
    assert cut_off["MESSAGE"] == "A control client of uid 7 was cut off: one\ntwo"
    assert (cut_off["PRIORITY"], cut_off["SYSLOG_IDENTIFIER"]) == ("4", "rawechod")
    assert (cut_off["RAWECHO_EVENT"], cut_off["RAWECHO_UID"]) == ("client_cut_off", "7")
    assert cut_off["RAWECHO_PROBLEM"] == "one\ntwo"
    assert cut_off["MESSAGE_ID"] == events.CLIENT_CUT_OFF.message_id
    assert (Path(cut_off["CODE_FILE"]).name, cut_off["CODE_FUNC"]) == ("write.py", "somewhere")
    assert cut_off["CODE_LINE"] == str(1 + next(at for at, line in enumerate(CODE) if "CLIENT_CUT_OFF" in line))
    assert refused["RAWECHO_CONFIG"] == "/tmp/\\udcff.toml"
    assert (changed["RAWECHO_EVENT"], changed["PRIORITY"]) == ("listener_changed", "5")
    assert "MESSAGE_ID" not in changed


@pytest.mark.parametrize("event", EVENTS, ids=[event.name for event in EVENTS])
def test_event_table(event: Event) -> None:
    """Levels that exist, IDs of 128 bits, advice where there is an ID, placeholders that are documented fields."""
    assert event.level in journal.PRIORITIES
    assert bool(event.message_id) == bool(event.advice)
    assert not event.message_id or len(bytes.fromhex(event.message_id)) == 16
    names = [name for _, name, _, _ in string.Formatter().parse(event.message) if name is not None]
    assert set(names) <= set(events.FIELDS)


def test_priorities_are_syslogs() -> None:
    """syslog(3): from 2, critical, to 7, debug."""
    names = ["critical", "error", "warning", "notice", "info", "debug"]
    assert list(journal.PRIORITIES.items()) == list(zip(names, range(2, 8), strict=True))


def test_event_names_and_ids_are_told_apart() -> None:
    """No name and no ID twice."""
    ids = [event.message_id for event in EVENTS if event.message_id]
    assert len({event.name for event in EVENTS}) == len(EVENTS)
    assert len(set(ids)) == len(ids)
