"""Clients that ask for too much: bounded, cut off, and no others' business."""

from __future__ import annotations

import grp
import json
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawechod.control.varlink import CALL_LIMIT
from tests.control.talk import CONTROL, SERVICE, STRANGER, Talk, connect, connect_as
from tests.lab import Daemon, Host, StartDaemon, wait_for

GROUP = grp.getgrnam("daemon")
"""A group that every system has."""
MOST_A_UID = 128
MOST_UNREAD = 4 << 20
KERNEL_KEEPS = 4 << 20
MEMORY = 32 << 20
"""For the bound and what a probe and a listener at work take."""
DESCRIBE = {"method": f"{SERVICE}.GetInterfaceDescription", "parameters": {"interface": CONTROL}}
KEPT = {
    "half a call": b"x" * CALL_LIMIT,
    "calls behind replies that nobody reads": (json.dumps(DESCRIBE).encode() + b"\0") * 50 + b"xx\0" * 20_000,
}


def memory(daemon: Daemon) -> int:
    """Resident octets of a daemon."""
    pages = int(Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_slow_reader_is_cut_off(served: Daemon) -> None:
    """Who asks for events and reads none is hung up on; its probe ends; memory stays; others are served."""
    before = memory(served)
    with connect(served.control) as slow, connect(served.control) as other:
        slow.more("Probe", count=0, interval="50us")

        def ended() -> bool:
            assert memory(served) < before + MEMORY
            return not other.call("GetStatus")["parameters"]["probes"]

        wait_for(lambda: other.call("GetStatus")["parameters"]["probes"], "the probe")
        wait_for(ended, "the end of the slow reader's probe", timeout=60)
        octets = slow.rest()
    assert len(octets) < MOST_UNREAD + KERNEL_KEEPS
    assert b'"summary"' not in octets
    wait_for(lambda: "was cut off: it does not read" in served.stderr, "the journal's word")


def test_reader_that_is_slow_misses_single_requests(served: Daemon) -> None:
    """Its probe runs to the end; what it was not told of is counted, and in all figures."""
    requests = 30_000
    with connect(served.control) as slow, connect(served.control) as other:
        slow.more("Probe", count=requests, interval="10us")
        wait_for(lambda: not other.call("GetStatus")["parameters"]["probes"], "the probe's end", timeout=60)
        events = [slow.receive()["parameters"]]
        while events[-1]["event"] != "summary":
            events.append(slow.receive()["parameters"])
    summary = events[-1]["summary"]
    told = [event for event in events if event["event"] in ("reply", "lost", "duplicate", "late")]
    assert summary["sent"] == summary["received"] + summary["lost"] == requests
    assert summary["untold"] > 0
    assert summary["untold"] + len(told) == requests + summary["duplicates"] + summary["late"]
    assert f"{summary['untold']} replies and losses were not told" in summary["notes"][-1]


@pytest.mark.parametrize("octets", KEPT.values(), ids=KEPT)
def test_what_a_crowd_may_make_us_keep(lone_host: object, daemon: StartDaemon, octets: bytes) -> None:
    """As much of calls as an ordinary user can pile up, on all connections that are allowed."""
    ours = daemon(lone_host, "")
    before = memory(ours)
    crowd = connect_as(ours.control, STRANGER, count=MOST_A_UID)
    for talk in crowd:
        talk.octets(octets)
    with connect(ours.control) as other:
        for _ in range(100):
            other.call("GetStatus")
    assert memory(ours) < before + MEMORY
    for talk in crowd:
        talk.socket.close()


def test_probe_that_is_read_is_not_cut_off(served: Daemon) -> None:
    """The same pace, read: all events come, more than anybody would keep."""
    with connect(served.control) as talk:
        talk.more("Probe", count=40_000, interval="10us", timeout="2s")
        received = 0
        while True:
            data = talk.socket.recv(1 << 20)
            received += len(data)
            if b'"summary"' in data:
                break
        assert received > MOST_UNREAD


@pytest.fixture
def crowd(served: Daemon) -> Iterator[list[Talk]]:
    """As many connections of one stranger as are allowed."""
    made = connect_as(served.control, STRANGER, count=MOST_A_UID)
    yield made
    for talk in made:
        talk.socket.close()


def test_too_many_connections_of_one_user(served: Daemon, crowd: list[Talk]) -> None:
    """The next one is told and hung up on; the others are served; so are other users; room is given back."""
    (late,) = connect_as(served.control, STRANGER)
    with late:
        assert json.loads(late.rest().rstrip(b"\0")) == {
            "error": f"{CONTROL}.TooManyConnections",
            "parameters": {},
        }
    for talk in [crowd[0], crowd[-1], connect(served.control), *connect_as(served.control, STRANGER + 1)]:
        assert "pid" in talk.call("GetStatus")["parameters"]
        talk.socket.close()

    def admitted() -> bool:
        (talk,) = connect_as(served.control, STRANGER)
        with talk:
            try:
                return "pid" in talk.call("GetStatus").get("parameters", {})
            except (EOFError, OSError):
                return False

    wait_for(admitted, "room for another connection")


def test_one_turned_away_reads_why(served: Daemon, crowd: list[Talk]) -> None:
    """The control tool of a user with too many connections: refused, not unreachable."""
    for _ in range(5):
        result = served.ctl("status", uid=STRANGER)
        assert result.returncode == 4, result
        assert "TooManyConnections" in result.stderr


def test_out_of_descriptors(lone_host: object, daemon: StartDaemon) -> None:
    """With no descriptor left the daemon goes on, serves those who are in, and later those who wait."""
    ours = daemon(lone_host, "")
    with connect(ours.control) as inside:
        inside.call("GetStatus")
        used = len(list(Path(f"/proc/{ours.process.pid}/fd").iterdir()))
        resource.prlimit(ours.process.pid, resource.RLIMIT_NOFILE, (used + 1, 4096))
        waiting = [connect(ours.control) for _ in range(5)]
        assert "pid" in waiting[0].call("GetStatus")["parameters"]
        assert "pid" in inside.call("GetStatus")["parameters"]
        refused = inside.call("Probe", count=1)
        assert refused["error"] == f"{CONTROL}.InterfaceUnavailable"
        resource.prlimit(ours.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        for talk in waiting[1:]:
            assert "pid" in talk.call("GetStatus")["parameters"]
        assert inside.call("Probe", count=1)["parameters"]["summary"]["received"] == 1
    for talk in waiting:
        talk.socket.close()


def test_ending_while_out_of_descriptors(lone_host: object, daemon: StartDaemon) -> None:
    """Also then SIGTERM ends it with 0."""
    ours = daemon(lone_host, "")
    with connect(ours.control) as inside:
        inside.call("GetStatus")
        used = len(list(Path(f"/proc/{ours.process.pid}/fd").iterdir()))
        resource.prlimit(ours.process.pid, resource.RLIMIT_NOFILE, (used, 4096))
        with connect(ours.control):
            inside.call("GetStatus")
            assert ours.stop() == 0


def test_strangers_do_not_lock_root_out(served: Daemon) -> None:
    """Many users, each with all it may have: they are turned away before root is."""
    crowds = [connect_as(served.control, STRANGER + number, count=MOST_A_UID) for number in range(4)]
    try:
        assert b"TooManyConnections" in crowds[-1][-1].rest()
        with connect(served.control) as talk:
            assert talk.call("GetStatus")["parameters"]["pid"]
    finally:
        for talk in (talk for crowd in crowds for talk in crowd):
            talk.socket.close()


CROWDS = 5
ROOM = 512 - 64 - 16
"""Connections for all who are no operators."""


@pytest.fixture
def crowds(lone_host: Host, daemon: StartDaemon) -> Iterator[tuple[Daemon, list[list[Talk]]]]:
    """As many connections as strangers get, of five of them; the first is a watcher."""
    ours = daemon(lone_host, f"[control]\noperators = ['@{GROUP.gr_name}']\n")
    made = [connect_as(ours.control, STRANGER, count=1)]
    made[0][0].more("Watch", interval="100ms")
    made[0][0].receive()
    made += [connect_as(ours.control, STRANGER + number, count=ROOM // CROWDS) for number in range(CROWDS)]
    yield ours, made
    for talk in (talk for crowd in made for talk in crowd):
        talk.socket.close()


def admitted(talks: list[Talk]) -> list[bool]:
    """Which of these connections are served; they stay open."""

    def served_now(talk: Talk) -> bool:
        try:
            return "pid" in talk.call("GetStatus").get("parameters", {})
        except (EOFError, OSError):
            return False

    return [served_now(talk) for talk in talks]


def hung_up(talk: Talk) -> bool:
    """Whether the daemon has ended this connection, and said why."""
    talk.socket.setblocking(False)
    try:
        return b"TooManyConnections" in talk.rest()
    except BlockingIOError:
        return False


def test_operators_always_find_room(crowds: tuple[Daemon, list[list[Talk]]]) -> None:
    """One with all that a user may have, and root behind: strangers who ask for nothing yield."""
    ours, strangers = crowds
    operators = connect_as(ours.control, STRANGER + 100, [GROUP.gr_gid], count=MOST_A_UID)
    with connect(ours.control) as root:
        assert all(admitted([operators[0], operators[-1], root]))
    assert any(hung_up(talk) for talk in strangers[1])
    assert not hung_up(operators[0])
    assert "listeners" in strangers[0][0].receive()["parameters"], "the watcher asks for something"
    for talk in operators:
        talk.socket.close()


def test_the_greediest_yields(crowds: tuple[Daemon, list[list[Talk]]]) -> None:
    """To a stranger who comes late; the connection that goes is the one that has been idle longest."""
    ours, strangers = crowds
    late = connect_as(ours.control, STRANGER + 200, count=2)
    assert all(admitted(late))
    assert hung_up(strangers[1][0])
    assert not hung_up(strangers[1][-1])
    for talk in late:
        talk.socket.close()


def test_who_never_says_anything_is_hung_up_on(served: Daemon) -> None:
    """Also with half a call; who has called stays, however long it is silent."""
    with connect(served.control) as silent, connect(served.control) as half, connect(served.control) as caller:
        assert "pid" in caller.call("GetStatus")["parameters"]
        half.octets(b'{"method":')
        assert silent.rest() == half.rest() == b""
        assert "pid" in caller.call("GetStatus")["parameters"]


def test_callers_queue_while_the_daemon_is_busy(served: Daemon) -> None:
    """Hundreds who come at once and don't wait: none is told EAGAIN."""
    served.signal(signal.SIGSTOP)
    talks = [socket.socket(socket.AF_UNIX) for _ in range(MOST_A_UID * 3)]
    for talk in talks:
        talk.setblocking(False)
    found = {talk.connect_ex(str(served.control)) for talk in talks}
    served.signal(signal.SIGCONT)
    for talk in talks:
        talk.close()
    assert found == {0}
