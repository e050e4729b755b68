"""Who may do what to the installed service, and how exposed it is."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab import MAC_B, StartDaemon, wait_for
from tests.systemd.conftest import CONFIG
from tests.systemd.machine import Machine, Service

EXPOSURE = 1.2


def test_the_shipped_unit_is_hardened(machine: Machine) -> None:
    """`systemd-analyze security` rates the installed unit at or under 1.2, of 10."""
    report = machine.run("systemd-analyze", "security", "--no-pager", "rawechod.service").stdout
    figure = re.search(r"Overall exposure level for rawechod.service: ([0-9.]+)", report)
    assert figure
    assert float(figure[1]) <= EXPOSURE, report


def test_systemd_finds_no_fault_in_the_unit(machine: Machine) -> None:
    """`systemd-analyze verify` has nothing to say."""
    verdict = machine.run("systemd-analyze", "verify", "/usr/lib/systemd/system/rawechod.service")
    assert verdict.stdout + verdict.stderr == ""


@pytest.fixture(scope="module")
def alice(machine: Machine) -> str:
    """A user of the machine without any privilege."""
    machine.run("useradd", "--create-home", "alice")
    return "alice"


def login(service: Service, user: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as after a new login of a user."""
    return service.machine.run("su", "--login", user, "--command", command, check=False)


def test_everybody_may_read(service: Service, alice: str) -> None:
    """A user without privileges sees the status."""
    result = login(service, alice, "rawechoctl --json=short status")
    assert json.loads(result.stdout)["listeners"][0]["interface"] == "eth1"


def test_operators_may_probe_after_a_new_login(service: Service, daemon: StartDaemon, alice: str) -> None:
    """A refused user learns which group to join; after joining and a new login it works."""
    daemon(service.machine.peer, CONFIG)
    probe = f"rawechoctl probe {MAC_B} --count 1"
    refused = login(service, alice, probe)
    assert refused.returncode == 4
    assert "rawecho" in refused.stderr
    assert "log in again" in refused.stderr
    service.machine.run("usermod", "--append", "--groups", "rawecho", alice)
    assert login(service, alice, probe).returncode == 0


def test_a_user_who_is_no_operator_may_not_reload(service: Service) -> None:
    """`nobody` is refused, and the journal tells who tried what."""
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    assert service.machine.run(*nobody, "rawechoctl", "reload", check=False).returncode == 4
    [refused] = wait_for(lambda: service.events("refused"), "the entry")
    assert (refused["RAWECHO_UID"], refused["PRIORITY"]) == ("65534", "5")


@pytest.fixture
def activated(machine: Machine) -> Iterator[str]:
    """A daemon that systemd-socket-activate starts at the first call; the socket's path."""
    path = "/run/activated.sock"
    (machine.root / "etc/rawecho/config.toml").write_text(CONFIG)
    command = ["systemd-socket-activate", f"--listen={path}", "/usr/bin/rawechod"]
    machine.run("systemd-run", "--unit=activated", *command)
    wait_for((machine.root / path.lstrip("/")).exists, "the socket")
    yield path
    machine.run("systemctl", "stop", "activated")


def test_a_passed_socket_is_honoured(machine: Machine, activated: str) -> None:
    """With LISTEN_FDS the daemon serves the socket that was passed, and binds none of its own."""
    status = json.loads(machine.run("rawechoctl", "--socket", activated, "--json=short", "status").stdout)
    assert status["pid"] == int(machine.show("activated", "MainPID"))
    assert not (machine.root / "run/rawecho/control.sock").exists()


def test_started_by_hand_it_becomes_its_own_user(machine: Machine) -> None:
    """Root's `rawechod --interface` goes on as _rawecho, answers, and is found by root's rawechoctl; twice."""
    machine.run("systemctl", "stop", "rawechod")
    for _ in range(2):
        machine.run("systemd-run", "--unit=byhand", "--service-type=notify", "rawechod", "--interface", "eth1")
        try:
            status = json.loads(machine.run("rawechoctl", "--json=short", "status").stdout)
            assert status["config"] == "--interface"
            assert status["privileges"]["uid"] == int(machine.run("id", "-u", "_rawecho").stdout)
            assert status["privileges"]["capabilities"] == ["net_admin", "net_raw", "bpf"]
            assert [one["state"] for one in status["listeners"]] == ["up"]
        finally:
            machine.run("systemctl", "stop", "byhand")


_HOLD = """
import socket, sys, time
held = [socket.socket(socket.AF_UNIX) for _ in range(96)]
for each in held:
    each.connect("/run/rawecho/control.sock")
    each.sendall(b'{"method":"io.rawecho.Control.GetCounters"}\\0')
    each.recv(1)
print("held", flush=True)
time.sleep(1000)
"""


def test_a_reload_finds_room(service: Service) -> None:
    """ExecReload= runs as the daemon's own user: strangers with all the connections they get are no hindrance."""
    with contextlib.ExitStack() as stack:
        for uid in range(4711, 4716):
            user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
            command = [*service.machine.inside, *user, "/usr/bin/python3", "-c", _HOLD]
            holder = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(holder.kill)
            assert holder.stdout
            assert holder.stdout.readline() == "held\n"
        service.systemctl("reload")
        assert service.status()["pid"] == int(service.show("MainPID"))
