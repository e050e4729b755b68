"""The daemon's own command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rawechod import __version__
from tests.control.talk import STRANGER
from tests.control.tool import tool
from tests.lab import REPOSITORY, Host, StartDaemon


def rawechod(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = [sys.executable, "-m", "rawechod", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


def test_version() -> None:
    """Name and version, exit status 0."""
    result = rawechod("--version")
    assert (result.returncode, result.stdout) == (0, f"rawechod {__version__}\n")


USAGE = [
    (("--nonsense",), "unrecognized arguments: --nonsense"),
    (("--ethertype", "ETH_P_PAE"), "--ethertype goes with --interface"),
    (("--interface", "lo", "--ethertype", "IPX"), "invalid choice: 'IPX'"),
    (("surplus",), "unrecognized arguments: surplus"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE)
def test_wrong_usage(arguments: tuple[str, ...], words: str) -> None:
    """Exit status 2, as usual."""
    result = rawechod(*arguments)
    assert result.returncode == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "valid, 1 listener\n"),
        ("echo = []", "valid, 0 listeners\n"),
        ('[[echo]]\n[[echo]]\ninterface = "a"', "2"),
    ],
)
def test_checking_a_good_file(tmp_path: Path, text: str, words: str) -> None:
    """Says so, with 0; `--config` names the file as well."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    for arguments in (("--check-config", str(path)), ("--config", str(path), "--check-config")):
        result = rawechod(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"{path}: valid")
        assert words in result.stdout


def test_checking_a_bad_file(tmp_path: Path) -> None:
    """Every problem on a line of its own, with 78."""
    path = tmp_path / "config.toml"
    path.write_text('[echo]\ninterface = ""\n[probe]\nsize = 1\n[lgo]\n')
    result = rawechod("--check-config", str(path))
    assert (result.returncode, result.stdout) == (78, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        [str(path), key] for key in ("echo[0].interface", "probe.size", "lgo")
    ]


@pytest.fixture
def by_hand(lone_host: Host, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a daemon with no place named for its control socket: `by_hand(uid)`; its sentences are in a pipe."""
    children: list[subprocess.Popen[str]] = []

    def start(uid: int, **environment: str) -> subprocess.Popen[str]:
        net_raw = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        net_raw += ["--inh-caps=-all,+net_raw,+dac_read_search", "--ambient-caps=+net_raw,+dac_read_search", "--"]
        command = [sys.executable, "-m", "rawechod", "--interface", "lo"]
        child: subprocess.Popen[str] = lone_host.popen(
            *(net_raw if uid else []), *command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, env=environment
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.terminate()
        child.wait(30)
        if child.stderr:
            child.stderr.close()


def test_socket_of_a_daemon_that_is_started_by_hand(by_hand: Callable[..., subprocess.Popen[str]]) -> None:
    """Root's is in a directory that root alone may enter; rawechoctl finds it; with the daemon it goes."""
    place = Path("/run/rawecho-root")
    child = by_hand(0)
    _ready(child, str(place))
    assert (place.stat().st_mode & 0o777, place.stat().st_uid) == (0o700, 0)
    assert json.loads(tool("-j", "status").stdout)["config"] == "--interface"
    child.terminate()
    assert child.wait(30) == 0
    assert not place.exists()


def test_root_keeps_what_frames_need(by_hand: Callable[..., subprocess.Popen[str]], lone_host: Host) -> None:
    """Three capabilities, for every thread and for good; it says so, and answers."""
    child = by_hand(0)
    _ready(child, "/run/rawecho-root")
    for status in Path(f"/proc/{child.pid}/task").glob("*/status"):
        fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        needed = 1 << 12 | 1 << 13 | 1 << 39
        sets = {name: int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")}
        assert sets == dict.fromkeys(("CapPrm", "CapEff", "CapBnd"), needed) | {"CapInh": 0, "CapAmb": 0}
        assert fields["NoNewPrivs"] == "1"
    privileges = json.loads(tool("-j", "status").stdout)["privileges"]
    assert (privileges["capabilities"], privileges["no_new_privileges"]) == (["net_admin", "net_raw", "bpf"], True)
    assert "with net_admin, net_raw, bpf\n" in tool("status").stdout
    assert tool("probe", "-c", "1").returncode == 0
    lone_host.ip("link", "set", "lo", "down")
    lone_host.ip("link", "set", "lo", "up")
    assert tool("probe", "-c", "1").returncode == 0


@pytest.mark.parametrize("runtime", [True, False])
def test_socket_of_another_user(by_hand: Callable[..., subprocess.Popen[str]], runtime: bool) -> None:
    """Below $XDG_RUNTIME_DIR, where that is the user's own, else in /tmp; nobody else can have made it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chown(directory, *[STRANGER if runtime else 0] * 2)
        place = Path(directory, "rawecho") if runtime else Path(f"/tmp/rawecho-{STRANGER}")
        child = by_hand(STRANGER, XDG_RUNTIME_DIR=directory)
        _ready(child, str(place))
        assert (place.stat().st_mode & 0o777, place.stat().st_uid) == (0o700, STRANGER)
        child.terminate()
        assert child.wait(30) == 0
        assert not place.exists()


def test_directory_that_somebody_else_has_made(by_hand: Callable[..., subprocess.Popen[str]]) -> None:
    """It is not used."""
    place = Path(f"/tmp/rawecho-{STRANGER}")
    place.mkdir(0o777)
    try:
        child = by_hand(STRANGER)
        assert child.wait(30) == 1
        assert child.stderr
        assert f"control socket in {place}: File exists" in child.stderr.read()
    finally:
        place.rmdir()


def _ready(child: subprocess.Popen[str], place: str) -> None:
    """Read what a daemon says until it is ready, there."""
    assert child.stderr
    while line := child.stderr.readline():
        if f"is ready, configuration --interface, control socket {place}/control.sock" in line:
            return
    raise AssertionError(f"it ended with {child.wait(30)}")


@pytest.mark.parametrize("name", ["a/b", "", "sixteen-letters!"])
def test_interface_that_can_not_be(name: str) -> None:
    """An argument is checked as the file's value is."""
    result = rawechod("--interface", name, "--control", os.devnull)
    assert result.returncode == 78
    assert result.stderr.startswith("--interface: echo[0].interface: ")


def test_interface_without_a_file(lone_host: Host, daemon: StartDaemon) -> None:
    """One listener from the arguments alone; there is nothing to reload, which is said."""
    ours = daemon(lone_host, "", "--interface", "lo", "--ethertype", "ETH_P_PAE")
    listener = ours.listener()
    assert (listener["interface"], listener["ethertype"], listener["state"]) == ("lo", "ETH_P_PAE", "up")
    refused = ours.ctl("reload")
    assert refused.returncode == 5
    assert "there is no file to reload: started with --interface" in refused.stderr
    assert ours.stop() == 0


def test_closed_standard_streams(tmp_path: Path) -> None:
    """Without any of them the exit status still tells; what is written goes nowhere else."""
    command = f'exec "{sys.executable}" -m rawechod --check-config "$0" <&- >&- 2>&-'
    for text, status in (("", 0), ("[lgo]", 78)):
        path = tmp_path / "config.toml"
        path.write_text(text)
        assert subprocess.run(["sh", "-c", command, str(path)], cwd=REPOSITORY, check=False).returncode == status


@pytest.mark.parametrize("passed", ["1", "nonsense"])
def test_listening_sockets_that_were_not_passed(tmp_path: Path, passed: str) -> None:
    """The control socket can't be had, which is said in a sentence."""
    path = tmp_path / "control.sock"
    daemon = f'exec "{sys.executable}" -m rawechod --interface lo --control "$0"'
    command = f"LISTEN_PID=$$ LISTEN_FDS={passed} {daemon}"
    shell = ["sh", "-c", command, str(path)]
    result = subprocess.run(shell, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("LISTEN_FDS promises what was not passed: ")
