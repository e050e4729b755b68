"""What moves on a terminal: `probe --live` and `top`, in a pty of their own."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.lab import MAC_A, MAC_B, REPOSITORY, Daemon, wait_for
from tests.netns.conftest import Cable, Responder
from tests.terminal import COMMON_SCREEN, CTRL_C, HIDE_CURSOR, OWN_SCREEN, SHOW_CURSOR, Terminal

ENDLESS = ("probe", MAC_B, "-c", "0", "-i", "20ms")
BLOCKS = "[▁▂▃▄▅▆▇█]"
Show = Callable[..., Terminal]


@pytest.fixture
def show() -> Iterator[Show]:
    """Run rawechoctl against a daemon, on a terminal."""
    shown: list[Terminal] = []

    def start(
        daemon: Daemon, *arguments: str, columns: int = 100, lines: int = 30, **environment: str
    ) -> Terminal:
        shown.append(Terminal(daemon._ctl(*arguments), REPOSITORY, columns, lines, **environment))
        return shown[-1]

    yield start
    for each in shown:
        each.close()


def assert_left_clean(terminal: Terminal) -> None:
    """The cursor is there, the screen is the common one, the line is set as it was."""
    assert terminal.written.count(HIDE_CURSOR) == terminal.written.count(SHOW_CURSOR) > 0
    assert terminal.written.count(OWN_SCREEN) == terminal.written.count(COMMON_SCREEN)
    assert terminal.settings_now() == terminal.settings


def test_live_probe(cable: Cable, show: Show) -> None:
    """A chart, percentiles and counts while it runs; Ctrl-C leaves the summary and a clean terminal."""
    seen = show(cable.ours, *ENDLESS, "--live")
    seen.wait_for(BLOCKS)
    seen.wait_for(r"p50 [\d.]+ \wm?s  p90 .* p99 .* max")
    seen.wait_for(r"[1-9]\d* answered, 0 lost \(0%\)")
    assert "reply from" not in seen.text
    seen.type(CTRL_C)
    seen.wait_for(r"--- 02:00:00:00:00:0b on eth1 ---\s+\d+ sent, \d+ received, 0% lost")
    assert seen.end() == 0
    assert_left_clean(seen)
    last_drawn, _, summary = seen.written.rpartition(SHOW_CURSOR)
    assert "answered" in last_drawn
    assert "sent" in summary
    assert "answered" not in summary


def test_live_progress_of_a_bounded_run(cable: Cable, show: Show) -> None:
    """So many of so many, to the end; it ends by itself."""
    seen = show(cable.ours, "probe", MAC_B, "-c", "40", "-i", "20ms", "--live", "--report-every", "200ms")
    seen.wait_for(r"[1-9]\d? of 40, \d+s since the start")
    assert seen.end() == 0
    assert re.search(r"\d\d:\d\d:\d\d 0\.0-\d\.\d s: \d+ sent, \d+ received, 0 lost", seen.text)
    assert "40 sent, 40 received, 0% lost" in seen.text
    assert_left_clean(seen)


def test_live_loss_is_marked(cable: Cable, show: Show) -> None:
    """An x under the chart for a request without a reply."""
    seen = show(cable.ours, "probe", "02:00:00:00:00:55", "-c", "0", "-i", "20ms", "-W", "20ms", "--live")
    seen.wait_for(r"lost +x")
    seen.wait_for(r"0 answered, [1-9]\d* lost \(100%\)")
    seen.type(CTRL_C)
    assert seen.end() == 1
    assert_left_clean(seen)


def longest_drawn(seen: Terminal) -> int:
    """Characters of the longest line before the end."""
    drawn, _, _ = seen.written.rpartition(SHOW_CURSOR)
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn))
    return max(len(line) for line in lines)


@pytest.mark.parametrize("letters", ["utf-8", "ascii"])
@pytest.mark.parametrize("columns", [20, 200])
def test_live_fits_any_width(cable: Cable, show: Show, columns: int, letters: str) -> None:
    """No drawn line is longer than the terminal: it would wrap, and the drawing would creep."""
    seen = show(cable.ours, *ENDLESS, "--live", columns=columns, PYTHONIOENCODING=letters)
    seen.wait_for(r"[1-9]\d* answered")
    seen.type(CTRL_C)
    assert seen.end() == 0
    assert longest_drawn(seen) <= columns


def test_live_on_a_few_lines(cable: Cable, show: Show) -> None:
    """Without the chart: what does not fit could not be drawn anew in place, and would pile up."""
    seen = show(cable.ours, *ENDLESS, "--live", lines=6)
    seen.wait_for(r"[1-9]\d answered, 0 lost \(0%\)")
    seen.type(CTRL_C)
    assert seen.end() == 0
    assert not re.search(BLOCKS, seen.text)
    assert_left_clean(seen)


@pytest.mark.parametrize("letters", ["utf-8", "ascii"])
def test_top_on_a_narrow_terminal(cable: Cable, show: Show, letters: str) -> None:
    """What tells how it goes is there in full."""
    running = cable.ours.ctl_popen(*ENDLESS, "-q")
    try:
        wait_for(lambda: cable.ours.status()["probes"], "a running probe")
        seen = show(cable.ours, "top", "-i", "200ms", columns=40, PYTHONIOENCODING=letters)
        seen.wait_for(r"INTERFACE STATE RECEIVED REPLIED DROPPED")
        seen.wait_for(r"eth1 +up +0 +0 +0")
        seen.wait_for(rf"{MAC_B} eth1 +\d")
        seen.type(CTRL_C)
        assert seen.end() == 0
    finally:
        running.terminate()
        running.communicate()


def test_live_where_the_daemon_dies(two_hosts: object, responder: Responder, show: Show) -> None:
    """The summary of what was seen, a sentence, exit 5, a clean terminal."""
    daemon = responder()
    seen = show(daemon, "probe", MAC_A, "-c", "0", "-i", "20ms", "--live")
    seen.wait_for(r"[1-9]\d* lost|no reply yet")
    daemon.kill()
    assert seen.end() == 5
    assert "cut off: " in seen.text
    assert "rawechoctl: " in seen.text
    assert_left_clean(seen)


@pytest.mark.parametrize("terminal", ["", "dumb"])
def test_live_without_a_terminal_is_lines(cable: Cable, show: Show, terminal: str) -> None:
    """In a pipe, or on a terminal that can't: a line an event and the summary, no control sequences."""
    probe = ("probe", MAC_B, "-c", "3", "-i", "10ms", "--live")
    if terminal:
        seen = show(cable.ours, *probe, TERM=terminal)
        assert seen.end() == 0
        text = seen.written
    else:
        text = cable.ours.ctl(*probe).stdout
    assert len(re.findall(r"^reply from 02:00:00:00:00:0b: seq=[123] ", text, re.MULTILINE)) == 3
    assert "3 sent, 3 received" in text
    assert "\x1b[?" not in text


@pytest.fixture
def probed(cable: Cable) -> Iterator[Cable]:
    """The cable while one end probes the other."""
    running = cable.ours.ctl_popen(*ENDLESS, "-q")
    wait_for(lambda: cable.ours.status()["probes"], "a running probe")
    yield cable
    running.terminate()
    running.communicate()


def test_top(probed: Cable, show: Show) -> None:
    """The listener, which drops nothing, and the peer that is probed, on a screen of its own; Ctrl-C ends it."""
    seen = show(probed.ours, "top", "-i", "200ms")
    seen.wait_for(r"eth1 +ETH_P_ALL +up +0 ")
    seen.wait_for(rf"{MAC_B} +eth1 +ETH_P_802_EX1")
    seen.type(CTRL_C)
    assert seen.end() == 0
    assert seen.written.count(OWN_SCREEN) == 1
    assert_left_clean(seen)


def test_top_shows_who_asks(probed: Cable, show: Show) -> None:
    """The busiest peers of a listener and their rates: on a terminal, in lines, as JSON."""
    seen = show(probed.far, "top", "-i", "200ms")
    seen.wait_for(r"eth1 +ETH_P_ALL +up +[1-9]")
    seen.wait_for(rf"{MAC_A} +eth1 +ETH_P_ALL +[1-9]")
    seen.type(CTRL_C)
    assert seen.end() == 0
    lines = probed.far.ctl("top", "-i", "500ms", "-c", "1").stdout
    assert re.search(rf"(?m)^[\d:]+ peer {MAC_A} on eth1: [\d.]+ received/s, [\d.]+ replied/s$", lines)
    (peer,) = probed.far.objects("top", "-i", "500ms", "-c", "1")[0]["peers"]
    assert (peer["mac"], peer["interface"], peer["ethertype"]) == (MAC_A, "eth1", "ETH_P_ALL")
    assert peer["received_per_s"] >= peer["replied_per_s"] > 0


def test_top_outlives_the_daemon(two_hosts: object, responder: Responder, show: Show) -> None:
    """It says that there is none, and goes on when there is one again."""
    daemon = responder()
    seen = show(daemon, "top", "-i", "100ms")
    seen.wait_for(rf"pid {daemon.status()['pid']},")
    daemon.kill()
    seen.wait_for("rawechod is not running|the connection to rawechod broke|rawechod closed the connection")
    daemon.restart()
    seen.wait_for(rf"pid {daemon.status()['pid']},")
    seen.type(CTRL_C)
    assert seen.end() == 0
    assert_left_clean(seen)


def test_top_in_a_pipe(cable: Cable) -> None:
    """A line a listener and look."""
    found = cable.ours.ctl("top", "-i", "100ms", "-c", "2")
    line = r"\d\d:\d\d:\d\d eth1 ETH_P_ALL up: [\d.]+ received/s, [\d.]+ replied/s, [\d.]+ dropped/s.*"
    assert re.fullmatch(rf"({line}\n){{2}}", found.stdout), found
    assert found.returncode == 0


def test_top_as_json(cable: Cable) -> None:
    """An object a look."""
    looks = cable.ours.objects("top", "-i", "100ms", "-c", "3")
    assert len(looks) == 3
    assert [look["at_ns"] for look in looks] == sorted(look["at_ns"] for look in looks)
    for look in looks:
        (listener,) = look["listeners"]
        assert (listener["interface"], listener["ethertype"], listener["state"]) == ("eth1", "ETH_P_ALL", "up")
        assert listener["received_per_s"] >= 0


@pytest.mark.parametrize("interval", ["10ms", "soon"])
def test_top_refuses_intervals(cable: Cable, interval: str) -> None:
    """Too short, or no duration: a sentence and exit 2."""
    found = cable.ours.ctl("top", "-i", interval)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("rawechoctl: interval: ")


def test_second_interrupt_ends_at_once(two_hosts: object, responder: Responder, show: Show) -> None:
    """Where no summary comes, since the daemon hangs: the terminal is as before all the same."""
    daemon = responder()
    seen = show(daemon, "probe", MAC_A, "-c", "0", "-i", "20ms", "--live")
    seen.wait_for("no reply yet")
    daemon.signal(signal.SIGSTOP)

    def ended() -> bool:
        seen.type(CTRL_C)
        return seen.process.poll() is not None

    wait_for(ended, "the end of the client")
    assert seen.end() == 128 + signal.SIGINT
    assert_left_clean(seen)
