"""As many listeners as there may be: started, replaced and stopped in turns, with everybody served in between."""

from __future__ import annotations

import signal
import subprocess

import pytest

from rawechod.config import MOST_LISTENERS
from tests.lab import Daemon, Host, StartDaemon, wait_for
from tests.netns.conftest import table
from tests.netns.test_link import ask

PATIENCE = 300
LAST = f"p{MOST_LISTENERS - 1}"


def crowded(host: Host) -> None:
    """Give a host so many interfaces, of which each two are joined: p0 and p1, p2 and p3, ..."""
    pairs = ((f"p{number}", f"p{number + 1}") for number in range(0, MOST_LISTENERS, 2))
    lines = [f"link add {a} type veth peer name {b}\nlink set {a} up\nlink set {b} up\n" for a, b in pairs]
    command = ["ip", "-netns", host.name, "-batch", "-"]
    subprocess.run(command, input="".join(lines), text=True, check=True)


def tables(**settings: object) -> str:
    """A listener on each of them."""
    return "".join(table(f"p{number}", **settings) for number in range(MOST_LISTENERS))


@pytest.fixture
def ours(lone_host: Host, daemon: StartDaemon) -> Daemon:
    """A daemon with all of them, ready."""
    crowded(lone_host)
    made: Daemon = daemon(lone_host, tables(), environment={"WATCHDOG_USEC": "2000000"}, ready=False)
    wait_for(lambda: made.notified("READY=1"), "READY=1", timeout=PATIENCE)
    return made


def states(ours: Daemon) -> list[str]:
    """Which states the listeners have."""
    return [listener["state"] for listener in ours.status()["listeners"]]


def test_as_many_as_there_may_be(lone_host: Host, ours: Daemon) -> None:
    """All answer; while a reload changes all of them, others and the watchdog are served; and they stop."""
    assert states(ours) == ["up"] * MOST_LISTENERS
    last = lone_host.mac(LAST)
    assert ask(lone_host, last, interface="p510") == last
    before = len(ours.notify.lines)
    ours.config.write_text(tables(rate_limit=7))
    with ours.ctl_popen("reload") as caller:
        wait_for(lambda: "RELOADING=1" in ours.notify.lines, "the reload")
        wait_for(lambda: 0 < len(states(ours)) < MOST_LISTENERS, "some of the new listeners", timeout=PATIENCE)
        assert caller.poll() is None, "the reload must not have held up the status"
        assert caller.wait(PATIENCE) == 0
    told = ours.notify.lines[before : ours.notify.lines.index("READY=1", before)]
    assert {"WATCHDOG=1", "EXTEND_TIMEOUT_USEC=20000000"} <= set(told)
    assert states(ours) == ["up"] * MOST_LISTENERS
    assert ask(lone_host, last, interface="p510") == last
    lone_host.ip("link", "set", LAST, "down")
    words = f"STATUS=answering on {MOST_LISTENERS - 2} of {MOST_LISTENERS} interfaces; p510 down, {LAST} down"
    wait_for(lambda: ours.notified(words), "the service's status", timeout=PATIENCE)
    ours.signal(signal.SIGTERM)
    assert ours.wait(PATIENCE) == 0


def test_end_while_it_starts(lone_host: Host, daemon: StartDaemon) -> None:
    """SIGTERM is heard all the time, and so is SIGHUP, which waits."""
    crowded(lone_host)
    made = daemon(lone_host, tables(), ready=False)
    wait_for(lambda: "answering" in made.stderr, "the first listeners", timeout=PATIENCE)
    made.signal(signal.SIGHUP)
    made.signal(signal.SIGTERM)
    assert made.wait(PATIENCE) == 0
    assert not made.notified("READY=1")
    assert not made.control.exists()
