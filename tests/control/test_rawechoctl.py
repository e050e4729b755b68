"""The control tool's exit statuses, each with a sentence where it is not 0."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.control.talk import STRANGER
from tests.control.tool import SILENT, tool
from tests.lab import Daemon, Host, StartDaemon

DONE = [
    ("status",),
    ("stats",),
    ("peers",),
    ("config",),
    ("reload",),
    ("probe", "-c", "2", "-i", "0.001"),
    ("status", "-j"),
    (),
]


@pytest.mark.parametrize("arguments", DONE, ids=" ".join)
def test_exit_0(served: Daemon, arguments: tuple[str, ...]) -> None:
    """Done; nothing on stderr."""
    result = served.ctl(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout


def test_exit_1(served: Daemon) -> None:
    """No reply came."""
    result = served.ctl("probe", SILENT, "-c", "2", "-i", "0.01", "-W", "0.05")
    assert result.returncode == 1
    assert "2 sent, 0 received" in result.stdout
    assert "100% lost" in result.stdout


def test_exit_1_after_a_deadline(served: Daemon) -> None:
    """As ping: fewer replies than were asked for by a deadline are a failure; without a count they are not."""
    for arguments, status in ((("-c", "0"), 0), (("-c", "2", "-i", "0.01"), 0), (("-c", "1000"), 1)):
        assert served.ctl("probe", "-i", "0.1", "-w", "0.3", *arguments).returncode == status, arguments


USAGE = [
    (("nonsense",), "invalid choice: 'nonsense'"),
    (("status", "--nonsense"), "unrecognized arguments: --nonsense"),
    (("--json=yaml", "status"), "invalid choice: 'yaml'"),
    (("probe", "-c", "many"), "'many' is no whole number"),
    (("probe", "-c", "-1"), "-c"),
    (("probe", "-i", "fast"), "interval: "),
    (("probe", "-W", "0"), "timeout: "),
    (("probe", "-s", "10"), "size: "),
    (("probe", "-I", "eth7"), "interface: probing from eth7 is not configured; allowed: lo"),
    (("probe", "--ethertype", "IPX"), "ethertype: 'IPX' is no EtherType"),
    (("probe", "me"), "target: "),
    (("probe", "x" * 70_000), "a message is longer than 65536 octets"),
    (("peers", "--most", "1001"), "most: "),
    (("peers", "-I", "eth7"), "interface: there is no listener on eth7; there is lo"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE)
def test_exit_2(served: Daemon, arguments: tuple[str, ...], words: str) -> None:
    """Wrong usage, told by the tool or by the daemon; nothing on stdout."""
    result = served.ctl(*arguments)
    assert (result.returncode, result.stdout) == (2, ""), result
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["status", "probe", "reload"])
def test_exit_3_without_a_daemon(tmp_path: Path, command: str) -> None:
    """One sentence that says what to do; also where a dead daemon's socket lies around."""
    path = tmp_path / "control.sock"
    sentence = (
        f"rawechoctl: rawechod is not running, nobody listens on {path}: start it with "
        "`systemctl start rawechod`, or name another socket with --socket\n"
    )
    absent = tool("--socket", str(path), command)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    stale = tool("--socket", str(path), command)
    for result in (absent, stale):
        assert (result.returncode, result.stderr) == (3, sentence)


def test_exit_3_where_nothing_can_be(tmp_path: Path) -> None:
    """A file, a directory, a path that is too long."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / ("x" * 200)):
        result = tool("--socket", str(path), "status")
        assert result.returncode == 3, result
        assert f"can't connect to {path}" in result.stderr or "nobody listens" in result.stderr


@contextlib.contextmanager
def server(path: Path, answer: bytes) -> Iterator[None]:
    """Something that listens, answers every connection in the same way and hangs up."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            while (connection := listening.accept()[0]).recv(4096):
                with connection, contextlib.suppress(BrokenPipeError):
                    connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
        thread.join()


_IMPOSTOR = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    listening.listen()
    print("listening", flush=True)
    client, _ = listening.accept()
    print(repr(client.recv(4096)), flush=True)
"""


@pytest.mark.parametrize("command", [("status",), ("probe", "-c", "1"), ("probe", "-c", "1", SILENT, SILENT)])
def test_exit_3_with_an_impostor_at_the_socket(root: None, command: tuple[str, ...]) -> None:
    """Who is neither root nor the daemon's user nor oneself is asked nothing."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "control.sock")
        path.parent.chmod(0o777)
        program = ["/usr/bin/python3", "-c", _IMPOSTOR, str(path)]
        with subprocess.Popen(program, user=STRANGER, group=STRANGER, cwd="/", stdout=subprocess.PIPE) as impostor:
            assert impostor.stdout
            assert impostor.stdout.readline() == b"listening\n"
            result = tool("--socket", str(path), *command)
            assert impostor.stdout.readline() == b"b''\n"
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith(f"rawechoctl: {path} is served by uid {STRANGER}, who is neither root nor ")


CONTROLS = "\x1b[31m\r\x07\x7f\x9b\u202e"
SHOWN = r"\x1b[31m\r\x07\x7f\x9b\u202e"


@pytest.mark.parametrize("ascii_only", [True, False])
def test_control_characters(tmp_path: Path, ascii_only: bool) -> None:
    """Of what is answered and of errors: escapes, as text and as JSON."""
    path = tmp_path / "control.sock"
    reply = {"parameters": {"path": CONTROLS, "config": {CONTROLS: {CONTROLS: [CONTROLS]}}}}
    error = {"error": "io.rawecho.Control.InvalidRequest", "parameters": {"reason": CONTROLS}}
    with server(path, json.dumps(reply, ensure_ascii=ascii_only).encode() + b"\0"):
        text, as_json = (tool("--socket", str(path), "config", *mode) for mode in ((), ("-j",)))
    assert text.stdout.count(SHOWN) == 2
    assert json.loads(as_json.stdout)["config"][SHOWN] == {SHOWN: [SHOWN]}
    other = tmp_path / "other.sock"
    with server(other, json.dumps(error, ensure_ascii=ascii_only).encode() + b"\0"):
        failed = tool("--socket", str(other), "config")
    assert failed.stderr == f"rawechoctl: {SHOWN}\n"
    for output in (text.stdout, as_json.stdout):
        assert all(line.isprintable() for line in output.splitlines())


PUZZLES = [
    ("status", {}),
    ("status", {"version": [], "pid": None, "uptime_s": "x", "config": 1, "listeners": [1], "probes": {}}),
    ("status", {"version": "", "pid": 1, "uptime_s": float("nan"), "config": ""}),
    ("stats", {"listeners": [{}]}),
    ("peers", {"peers": 1}),
    ("config", {"path": 1, "config": []}),
    ("probe", {"event": "summary"}),
    ("trace", {"event": "frame", "frame": {}}),
    ("discover", {}),
    ("survey", {"event": "summary", "summary": 5}),
    ("top", {"listeners": 0}),
    ("arm loopback", {"interface": "x", "armed_for_s": 1e999}),
]


@pytest.mark.parametrize(("command", "parameters"), PUZZLES)
def test_exit_3_with_a_reply_without_sense(tmp_path: Path, command: str, parameters: dict[str, Any]) -> None:
    """One sentence, whichever command does not find in it what the contract promises."""
    path = tmp_path / "control.sock"
    with server(path, json.dumps({"parameters": parameters}).encode() + b"\0"):
        result = tool("--socket", str(path), *command.split())
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.returncode == 3, result


STRANGE = {
    "no JSON": (b"220 mail.example ESMTP\r\n\0", "does not speak Varlink"),
    "no object": (b"[]\0", "does not speak Varlink"),
    "endless": (b"x" * (1 << 21), "does not speak Varlink"),
    "nothing": (b"", "closed the connection before it had answered"),
    "half a message": (b'{"parameters":', "closed the connection before it had answered"),
}


@pytest.mark.parametrize(("answer", "words"), STRANGE.values(), ids=STRANGE)
def test_exit_3_with_a_stranger_at_the_socket(tmp_path: Path, answer: bytes, words: str) -> None:
    """Whatever answers there is no rawechod."""
    path = tmp_path / "control.sock"
    with server(path, answer):
        result = tool("--socket", str(path), "status")
    assert result.returncode == 3, result
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [("probe", "-c", "1"), ("reload",)], ids=lambda arguments: arguments[0])
def test_exit_4(served: Daemon, arguments: tuple[str, ...]) -> None:
    """No permission: the sentence names the group."""
    result = served.ctl(*arguments, uid=STRANGER)
    assert (result.returncode, result.stdout) == (4, "")
    assert "join the group rawecho" in result.stderr
    assert "log in again" in result.stderr


def test_exit_5(lone_host: Host, daemon: StartDaemon) -> None:
    """The daemon's own trouble: an interface that is not there, a file with errors, each of which is told."""
    ours = daemon(lone_host, '[probe]\ninterfaces = ["eth7"]\n')
    missing = ours.ctl("probe", "-I", "eth7")
    assert (missing.returncode, missing.stderr) == (5, "rawechoctl: there is no interface eth7\n")
    refused = ours.reload("[prob]\n[log]\nlevel = 5\n")
    assert refused.returncode == 5
    lines = refused.stderr.splitlines()
    assert lines[0] == "rawechoctl: old configuration kept:"
    assert [line.strip().partition(": ")[2].partition(":")[0] for line in lines[1:]] == ["log.level", "prob"]


def test_octets_that_are_no_text(served: Daemon) -> None:
    """An argument that is no UTF-8 is refused in a sentence."""
    result = served.ctl("probe", "-I", os.fsdecode(b"\xff\xfe"))
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
