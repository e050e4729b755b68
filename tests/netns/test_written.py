"""What a probe writes beside its lines: rows of CSV, and how it went interval by interval."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rawechoctl.rows import COLUMNS, EVENTS
from tests.lab import MAC_B, REPOSITORY, wait_for
from tests.netns.client import Probing
from tests.netns.conftest import Cable
from tests.netns.port import port
from tests.netns.test_prober import MAC_T, reply

SHORT = ("probe", MAC_B, "-c", "3", "-i", "10ms")
SUMMARY = "3 sent, 3 received, 0% lost"
ADDED_UP = ("sent", "received", "lost", "late", "duplicates", "reordered", "corrupted")
HEADER = (
    "event,seq,sent_at_ns,mac,rtt_ns,residence_ns,forward_ns,backward_ns,"
    "kernel_stamped,hardware_stamped,reordered,corrupted,corrupted_at,altered,error"
)


def cells(event: dict[str, Any]) -> list[str]:
    """The row that an event is to make."""
    words = {name: json.dumps(value) if isinstance(value, bool) else value for name, value in event.items()}
    return ["" if words.get(name) is None else str(words[name]) for name in COLUMNS]


def test_rows_say_what_json_says(cable: Cable, tmp_path: Path) -> None:
    """A reply, two further copies, a loss: each a row with the same values as its object."""
    file = tmp_path / "run.csv"
    with port(cable.b) as far:
        run = Probing(cable.ours, "-c", "2", "-i", "1ms", "-W", "3s", "--csv", str(file), MAC_T)
        answer = reply(far.receive()).octets()
        far.send(answer, answer, answer)
        events = [run.event(name) for name in ("reply", "duplicate", "duplicate", "lost")]
        assert run.wait() == 0
    rows = list(csv.reader(file.read_text().splitlines()))
    assert ",".join(rows[0]) == HEADER
    assert rows[1:] == [cells(event) for event in events]
    assert set(EVENTS) == {"reply", "duplicate", "late", "lost"}
    assert [row[0] for row in rows[1:]] == ["reply", "duplicate", "duplicate", "lost"]


def test_rows_with_one_way_delays(cable: Cable, tmp_path: Path) -> None:
    """In columns of their own, which are empty unless they were asked for."""
    for asked in ((), ("--one-way",)):
        file = tmp_path / "run.csv"
        assert cable.ours.ctl(*SHORT, "--csv", str(file), *asked).returncode == 0
        with file.open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert len(rows) == 3
        for row in rows:
            assert bool(row["forward_ns"]) is bool(row["backward_ns"]) is bool(asked)


def test_rows_on_the_standard_output(cable: Cable) -> None:
    """They have it to themselves; the summary goes beside."""
    found = cable.ours.ctl(*SHORT, "--csv", "-")
    rows = list(csv.reader(found.stdout.splitlines()))
    assert [row[:2] for row in rows] == [["event", "seq"], ["reply", "1"], ["reply", "2"], ["reply", "3"]]
    assert SUMMARY in found.stderr
    assert found.returncode == 0


@pytest.mark.parametrize("other", ["--json=short", "--live"])
def test_standard_output_is_not_shared(cable: Cable, other: str) -> None:
    """Rows and something else on it is an error of usage, before anything is sent."""
    found = cable.ours.ctl(*SHORT, "--csv", "-", other)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "rawechoctl: --csv - has the standard output to itself: not with --json or --live\n"


@pytest.mark.parametrize("option", ["--csv", "--report"])
def test_a_disk_that_is_full(cable: Cable, option: str) -> None:
    """One sentence and exit 2, but the probe runs to its summary."""
    found = cable.ours.ctl(*SHORT, option, "/dev/full")
    assert found.stderr == "rawechoctl: can't write /dev/full: No space left on device\n"
    assert SUMMARY in found.stdout
    assert found.returncode == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one page of memory, a few dozen rows."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("redirected", [False, True])
def test_a_disk_that_fills_keeps_whole_rows(cable: Cable, small_disk: Path, redirected: bool) -> None:
    """The row that does not fit any more is not there in half, in a file or behind a redirection."""
    kept = small_disk / "run.csv"
    probe = ("probe", MAC_B, "-c", "100", "-i", "1ms", "--csv", "-" if redirected else str(kept))
    with kept.open("w") as file:
        output = file if redirected else subprocess.DEVNULL
        found = subprocess.run(cable.ours._ctl(*probe), check=False, stdout=output)
    assert found.returncode == 2
    text = kept.read_text()
    assert len(text) > 3000
    assert text.endswith("\n")
    assert {line.count(",") for line in text.splitlines()} == {len(COLUMNS) - 1}


def test_a_page_that_does_not_fit(cable: Cable, small_disk: Path) -> None:
    """Not half of it."""
    page = small_disk / "run.html"
    assert cable.ours.ctl(*SHORT, "--report", str(page)).returncode == 2
    assert page.read_text() == ""


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (("--csv", "/nowhere/run"), "can't write /nowhere/run: No such file or directory"),
        (("--report", "/nowhere/run"), "can't write /nowhere/run: No such file or directory"),
        (("--csv", "run.csv", "--report", "/tmp"), "can't write /tmp: Is a directory"),
        (("--report", "-"), "--report needs a file: a page is not written to the standard output"),
        *(
            (("--csv", "run", "--report", same), "--csv and --report can't both write the same file")
            for same in ("run", "./run", "tests/../run")
        ),
    ],
)
def test_a_file_that_cannot_be_had(cable: Cable, written: tuple[str, ...], sentence: str) -> None:
    """Nothing is sent for it, and no other file is made."""
    found = cable.ours.ctl(*SHORT, *written)
    assert (found.returncode, found.stdout, found.stderr) == (2, "", f"rawechoctl: {sentence}\n")
    assert not (REPOSITORY / "run.csv").exists()


@pytest.mark.parametrize("option", ["--csv", "--report"])
def test_a_pipe_that_nobody_reads(cable: Cable, tmp_path: Path, option: str) -> None:
    """Nobody waits for a reader, and nothing is sent."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = cable.ours.ctl(*SHORT, option, str(pipe), timeout=20)
    sentence = f"rawechoctl: can't write {pipe}: it is a pipe that nobody reads\n"
    assert (found.returncode, found.stdout, found.stderr) == (2, "", sentence)


def test_a_pipe_that_is_read(cable: Cable, tmp_path: Path) -> None:
    """All rows come, more than a pipe holds, while the reader takes its time."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with cable.ours.ctl_popen("probe", MAC_B, "-c", "2000", "-i", "10us", "-q", "--csv", str(pipe)) as client:
        wait_for(lambda: select.select([reader], [], [], 0)[0], "the first row", timeout=60)
        os.set_blocking(reader, True)
        with os.fdopen(reader) as file:
            rows = file.read().splitlines()
        assert client.wait(60) == 0
    assert len(rows) == 2001


@pytest.mark.parametrize("option", ["--csv", "--report"])
def test_a_file_of_a_refused_probe(cable: Cable, tmp_path: Path, option: str) -> None:
    """What was there stays; what was not there is not made."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("of last week\n")
    for file in (old, new):
        assert cable.ours.ctl("probe", "nobody", option, str(file)).returncode == 2
    assert old.read_text() == "of last week\n"
    assert not new.exists()
    assert cable.ours.ctl(*SHORT, option, str(old)).returncode == 0
    assert "of last week" not in old.read_text()


@pytest.mark.parametrize("option", ["--csv", "--report"])
def test_a_file_whose_name_is_not_utf_8(cable: Cable, tmp_path: Path, option: str) -> None:
    """A path may be any octets; a page shows them as it can."""
    file = tmp_path / "run-\udcff"
    assert cable.ours.ctl(*SHORT, option, str(file)).returncode == 0
    assert ("\\udcff" in file.read_text()) == (option == "--report")


def test_intervals_add_up_to_the_summary(cable: Cable) -> None:
    """Without a gap between them, quiet or not, and nothing is counted twice or left out."""
    for quiet in ((), ("-q",)):
        probe = ("probe", MAC_B, "-c", "50", "-i", "10ms", "--report-every", "100ms", *quiet)
        events = cable.ours.objects(*probe)
        intervals = [event for event in events if event["event"] == "interval"]
        summary = events[-1]
        assert len(intervals) >= 4
        for name in ADDED_UP:
            assert sum(one[name] for one in intervals) == summary[name], name
        assert intervals[0]["start_s"] == 0
        assert [one["end_s"] for one in intervals[:-1]] == [one["start_s"] for one in intervals[1:]]
        times = [one["rtt_ns"] for one in intervals if one["rtt_ns"]]
        assert min(one["min"] for one in times) == summary["rtt_ns"]["min"]
        assert max(one["max"] for one in times) == summary["rtt_ns"]["max"]
        assert all(one["min"] <= one["p50"] <= one["p99"] <= one["max"] for one in times)
        assert {event["event"] for event in events} >= ({"interval", "summary"} if quiet else {"reply"})
        assert not quiet or {event["event"] for event in events} == {"interval", "summary"}


def test_intervals_of_a_loss(cable: Cable) -> None:
    """An interval without a reply has no times, and its losses are in it."""
    run = Probing(cable.ours, "-c", "0", "-i", "20ms", "-W", "20ms", "--report-every", "100ms", MAC_T)
    while not (interval := run.event("interval"))["lost"]:
        pass  # The first ones may be over before a request is given up.
    assert (interval["received"], interval["rtt_ns"]) == (0, None)
    assert run.interrupt()["received"] == 0
    assert run.wait() == 1


def test_intervals_as_lines(cable: Cable) -> None:
    """When, from when to when, counts, percentiles; with --quiet nothing but them and the summary."""
    found = cable.ours.ctl("probe", MAC_B, "-c", "20", "-i", "10ms", "--report-every", "100ms", "-q")
    line = r"\d\d:\d\d:\d\d \d\.\d-\d\.\d s: \d+ sent, \d+ received, 0 lost(, rtt p50/p99/max = [\d./]+ ms)?\n"
    lines, _, summary = found.stdout.partition("\n---")
    assert re.fullmatch(f"({line})+", lines), found.stdout
    assert "20 sent, 20 received" in summary


@pytest.mark.parametrize("pace", ["1ms", "soon"])
def test_intervals_of_an_impossible_length(cable: Cable, pace: str) -> None:
    """Refused with the name of what is wrong."""
    found = cable.ours.ctl(*SHORT, "--report-every", pace)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("rawechoctl: report_every: ")
