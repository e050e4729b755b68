"""What the control tool prints: JSON in two widths, text, colours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rawechod import __version__
from tests.control.tool import SILENT, TOOL, tool
from tests.lab import REPOSITORY, Daemon, Host, StartDaemon

BEFORE = [("--json=short", "stats"), ("-j", "stats"), ("--json", "stats"), ("--json", "short", "stats")]
BEHIND = [tuple(reversed(arguments)) for arguments in BEFORE[:3]] + [("stats", "--json", "short")]


@pytest.mark.parametrize("arguments", [*BEFORE, *BEHIND, ("-j", "stats", "--json=short")], ids=" ".join)
def test_json_before_and_behind(served: Daemon, arguments: tuple[str, ...]) -> None:
    """One compact object on one line."""
    result = served.ctl(*arguments)
    (line,) = result.stdout.splitlines()
    assert " " not in line
    assert json.loads(line)["listeners"][0]["interface"] == "lo"


@pytest.mark.parametrize("arguments", [("--json=pretty", "stats"), ("stats", "--json", "pretty")], ids=" ".join)
def test_pretty_json(served: Daemon, arguments: tuple[str, ...]) -> None:
    """The same object on many lines."""
    result = served.ctl(*arguments)
    assert len(result.stdout.splitlines()) > 10
    assert json.loads(result.stdout)["listeners"][0]["interface"] == "lo"


@pytest.mark.parametrize("arguments", [("--json=off", "status"), ("-j", "status", "--json=off")], ids=" ".join)
def test_json_off(served: Daemon, arguments: tuple[str, ...]) -> None:
    """Text, as without; the last word wins."""
    assert served.ctl(*arguments).stdout.startswith("rawechod ")


def test_json_of_a_stream(served: Daemon) -> None:
    """An object an event, `event` first, the summary last."""
    result = served.ctl("-j", "probe", "-c", "2", "-i", "0.001")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["event"] for each in objects] == ["start", "reply", "reply", "summary"]
    assert all(next(iter(each)) == "event" for each in objects)
    assert objects[-1]["received"] == 2


def test_socket_by_the_environment(served: Daemon, tmp_path: Path) -> None:
    """RAWECHO_SOCKET names it; --socket, before or behind the command, is stronger."""
    path, elsewhere = str(served.control), str(tmp_path / "none")
    assert tool("status", RAWECHO_SOCKET=path).returncode == 0
    assert tool("--socket", path, "status", RAWECHO_SOCKET=elsewhere).returncode == 0
    assert tool("status", "--socket", path, RAWECHO_SOCKET=elsewhere).returncode == 0
    assert tool("--socket", elsewhere, "status", RAWECHO_SOCKET=path).returncode == 3


def test_version_and_help() -> None:
    """Neither asks a daemon."""
    assert tool("--version").stdout == f"rawechoctl {__version__}\n"
    for arguments in ((), ("status",), ("stats",), ("probe",), ("config",), ("reload",)):
        result = tool(*arguments, "--help")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("usage: rawechoctl")


def test_status_text(served: Daemon) -> None:
    """Who serves, what it listens to, and that lo reaches nobody."""
    first, privileges, _, second, *_ = served.ctl("status").stdout.splitlines()
    assert first.startswith(f"rawechod {__version__}, pid {served.process.pid}, up ")
    assert first.endswith(f"configuration {served.config}")
    assert privileges.startswith("runs as uid 0 with ")
    assert second.startswith("lo: up, ETH_P_ALL, 00:00:00:00:00:00, MTU 65536, mode echo, engine ")
    assert "loopback only: set interface in /etc/rawecho/config.toml" in served.ctl("status").stdout


def test_stats_text(served: Daemon) -> None:
    """Each counter on a line of its own, as in JSON."""
    served.ctl("probe", "-c", "1")
    lines = served.ctl("stats").stdout.splitlines()
    (listener,) = served.objects("stats")[0]["listeners"]
    assert lines[0] == "lo ETH_P_ALL"
    counts = {words[1]: int(words[0]) for line in lines[1:] if (words := line.split(maxsplit=1))}
    assert counts["received"] == listener["received"]
    assert counts["replied"] == listener["replied"]
    assert counts["replies to this host's probes"] == listener["probe_replies"] > 0


def test_config_text_is_a_configuration(lone_host: Host, daemon: StartDaemon, tmp_path: Path) -> None:
    """What `config` prints is TOML, and a daemon would take it; it means what the JSON says."""
    names = ("far-1", '"switch.lab"', '"é"')
    served = daemon(lone_host, "[hosts]\n" + "".join(f'{name} = "{SILENT}"\n' for name in names))
    shown = served.ctl("config").stdout
    path = tmp_path / "again.toml"
    path.write_text(shown)
    command = [sys.executable, "-m", "rawechod", "--check-config", str(path)]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0
    told = served.objects("config")[0]["config"]
    unset = {"probe": {name: value for name, value in told["probe"].items() if value is not None}}
    assert tomllib.loads(shown) == told | unset


def _terminal(daemon: Daemon, **environment: str) -> str:
    """What `status` writes to a terminal."""
    ours, theirs = os.openpty()
    command = [*TOOL, "--socket", str(daemon.control), "status"]
    environment = os.environ | {"TERM": "xterm"} | environment
    subprocess.run(command, cwd=REPOSITORY, stdout=theirs, env=environment, check=True)
    os.close(theirs)
    written = os.read(ours, 65536).decode()
    os.close(ours)
    return written


def test_colour_on_terminals_alone(served: Daemon) -> None:
    """NO_COLOR is honoured, and TERM where it is dumb; in pipes there is none anyway."""
    assert "\x1b[" in _terminal(served, NO_COLOR="")
    assert "\x1b[" not in _terminal(served, NO_COLOR="1")
    assert "\x1b[" not in _terminal(served, NO_COLOR="", TERM="dumb")
    assert "\x1b[" not in served.ctl("status").stdout


@pytest.mark.parametrize("mode", ["off", "short", "pretty"])
def test_locale_without_our_letters(lone_host: Host, daemon: StartDaemon, mode: str) -> None:
    """What it can't write is told by number, in JSON as JSON does it."""
    ours = daemon(lone_host, 'echo = [{ interface = "é€" }]')
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [*TOOL, "--socket", str(ours.control), f"--json={mode}", "status"]
    output = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=True).stdout
    if mode == "off":
        assert rb"\xe9\u20ac: absent" in output
    else:
        assert json.loads(output.decode("ascii"))["listeners"][0]["interface"] == "é€"
