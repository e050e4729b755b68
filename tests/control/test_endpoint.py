"""The control socket's file: what is replaced, what is refused, what is passed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawechod.control.endpoint import Endpoint
from rawechod.errors import ControlSocketError
from tests.control.talk import STRANGER, connect, connect_as
from tests.lab import REPOSITORY, Daemon, Host, StartDaemon, wait_for


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rawechod", *arguments]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a control socket may be."""
    return tmp_path / "control.sock"


def test_anybody_may_connect(lone_host: Host, daemon: StartDaemon) -> None:
    """0666, whatever the umask; a stranger reads."""
    umask = os.umask(0o077)
    try:
        ours = daemon(lone_host, "")
    finally:
        os.umask(umask)
    assert stat.filemode(ours.control.stat().st_mode) == "srw-rw-rw-"
    (talk,) = connect_as(ours.control, STRANGER)
    with talk:
        assert "pid" in talk.call("GetStatus")["parameters"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind(lone_host: Host, daemon: StartDaemon, number: int) -> None:
    """After an end in order neither the socket nor its lock is there."""
    ours = daemon(lone_host, "")
    ours.signal(number)
    assert ours.wait() == 0
    assert [each.name for each in ours.directory.iterdir() if each.name.startswith("control")] == []


def test_leftovers_of_a_killed_daemon_are_replaced(lone_host: Host, daemon: StartDaemon) -> None:
    """Several times over."""
    ours = daemon(lone_host, "")
    for _ in range(3):
        ours.kill()
        assert ours.control.exists()
        ours.restart()
        assert ours.status()["pid"] == ours.process.pid


def _started_beside(ours: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = _program("--config", str(ours.config), *arguments)
    return ours.host.run(*command, check=False, cwd=REPOSITORY)


def test_a_living_daemons_socket_is_refused(lone_host: Host, daemon: StartDaemon) -> None:
    """Exit status 1 and a sentence; the living one does not notice."""
    ours = daemon(lone_host, "")
    result = _started_beside(ours, "--control", str(ours.control))
    assert result.returncode == 1
    # That it answers on lo would stand above.
    assert result.stderr == f"control socket {ours.control}: another rawechod is running there\n"
    assert "Traceback" not in result.stderr
    assert ours.status()["pid"] == ours.process.pid


def test_an_old_daemon_leaves_its_followers_socket_alone(lone_host: Host, daemon: StartDaemon) -> None:
    """Whoever removed the path under a running daemon and took it: the old one's end does not remove it again."""
    ours = daemon(lone_host, "")
    ours.control.unlink()
    with socket.socket(socket.AF_UNIX) as follower:
        follower.bind(str(ours.control))
        assert ours.stop() == 0
        assert ours.control.exists()


def test_two_that_start_together(lone_host: Host, path: Path, tmp_path: Path) -> None:
    """Exactly one of three serves, the others end with 1; in every round."""
    (tmp_path / "config.toml").write_text("")
    command = _program("--config", str(tmp_path / "config.toml"), "--control", str(path))
    for _ in range(3):
        racers = [lone_host.popen(*command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) for _ in range(3)]
        wait_for(lambda racers=racers: sum(one.poll() is not None for one in racers) == 2, "two losers")  # type: ignore[misc]
        (winner,) = [one for one in racers if one.poll() is None]
        assert [one.returncode for one in racers if one is not winner] == [1, 1]
        with connect(path) as talk:
            assert talk.call("GetStatus")["parameters"]["pid"] == winner.pid
        winner.terminate()
        assert winner.wait(10) == 0


def test_a_stale_socket_is_replaced(path: Path) -> None:
    """One that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    endpoint = Endpoint(str(path))
    connect(path).socket.close()
    endpoint.close()
    assert not path.exists()


def _occupy(path: Path, kind: str) -> socket.socket | None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "listener":
        living = socket.socket(socket.AF_UNIX)
        living.bind(str(path))
        living.listen()
        return living
    return None


OCCUPIED = {"file": "no socket is in the way", "directory": "no socket is in the way"}
OCCUPIED |= {"link": "no socket is in the way", "listener": "another daemon is listening there"}


@pytest.mark.parametrize(("kind", "words"), OCCUPIED.items())
def test_what_is_in_the_way_stays(path: Path, kind: str, words: str) -> None:
    """Neither a file nor a directory, a link or a listener of another program is removed."""
    living = _occupy(path, kind)
    before = path.lstat()
    for _ in range(2):
        with pytest.raises(ControlSocketError, match=words):
            Endpoint(str(path))
    assert path.lstat().st_ino == before.st_ino
    if living:
        living.close()


def test_a_lock_that_is_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    """Nobody gets us to open another file."""
    (tmp_path / "control.sock.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ControlSocketError, match=r"control\.sock"):
        Endpoint(str(path))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing/control.sock", "No such file"), ("x" * 200, "too long"), ("n/" * 60, "No such file")],
)
def test_impossible_places(tmp_path: Path, name: str, words: str) -> None:
    """A sentence, not a traceback."""
    with pytest.raises(ControlSocketError, match=words):
        Endpoint(str(tmp_path / name))


def test_it_is_ours_until_we_close_it(path: Path) -> None:
    """A second one in the same process is refused, and possible afterwards."""
    first = Endpoint(str(path))
    with pytest.raises(ControlSocketError, match="another rawechod is running there"):
        Endpoint(str(path))
    first.close()
    Endpoint(str(path)).close()


_PASS = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "rawechod", *sys.argv[1:]])
"""


@pytest.fixture
def passed(tmp_path: Path) -> Iterator[list[socket.socket]]:
    """Two Unix sockets that listen, and between them one of another family."""
    with socket.socket(socket.AF_UNIX) as one, socket.socket() as other, socket.socket(socket.AF_UNIX) as two:
        for number, unix in enumerate((one, two)):
            unix.bind(str(tmp_path / f"passed{number}"))
            unix.listen()
        yield [one, other, two]


def _pass(host: Host, sockets: list[socket.socket], *arguments: str) -> subprocess.Popen[bytes]:
    """Start a daemon with these sockets from descriptor 3 on, and no other copies of them."""
    numbers = [each.fileno() for each in sockets]
    moved = [f"{at}<&{number} {number}<&-" for at, number in enumerate(numbers, 3)]
    inherit = f'exec {" ".join(moved)}; exec "$@"'
    command = ["bash", "-c", inherit, "bash", sys.executable, "-c", _PASS, *arguments]
    environment = os.environ | {"LISTEN_FDS": str(len(sockets)), "PYTHONPATH": str(REPOSITORY)}
    return host.popen(*command, cwd=REPOSITORY, env=environment, pass_fds=numbers)


def test_passed_sockets_are_served(
    lone_host: Host, path: Path, tmp_path: Path, passed: list[socket.socket]
) -> None:
    """LISTEN_FDS: all passed listening Unix sockets, others are closed; the daemon binds none of its own."""
    (tmp_path / "config.toml").write_text("")
    child = _pass(lone_host, passed, "--config", str(tmp_path / "config.toml"), "--control", str(path))
    for number in (0, 1):
        with connect(tmp_path / f"passed{number}") as talk:
            assert talk.call("GetStatus")["parameters"]["pid"] == child.pid
    assert not path.exists()
    assert _inode(passed[0]) in _open_in(child.pid)
    assert _inode(passed[1]) not in _open_in(child.pid)
    child.terminate()
    assert child.wait(30) == 0
    assert (tmp_path / "passed0").exists(), "it was not ours to remove"


def _inode(sock: socket.socket) -> str:
    return f"socket:[{os.fstat(sock.fileno()).st_ino}]"


def _open_in(pid: int) -> set[str]:
    """What a process has open."""
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # It was just closed.
            found.add(str(each.readlink()))
    return found
