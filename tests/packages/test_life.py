"""The life of an installation, from `apt install` to `apt purge`, on Debian 12 and on Debian 13."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import wait_for
from tests.packages import system
from tests.packages.conftest import SHIPPED
from tests.packages.system import Computer
from tests.systemd.machine import Service

EXPOSURE = 1.2
MEGABYTES = 60
HOARDER = """
import socket, sys
clients = []
try:
    while True:
        clients.append(socket.socket(socket.AF_UNIX))
        clients[-1].connect("/run/rawecho/control.sock")
        clients[-1].sendall(b"x" * 65_000)
except OSError:
    print(len(clients), flush=True)
    sys.stdin.read()
"""
"""Keeps the ends of as many messages back as the daemon puts up with."""
MINE = SHIPPED.replace('interface = "lo"', 'interface = "eth1"')


def test_installing_starts_it_on_lo(service: Service, computer: Computer) -> None:
    """After `apt install` the service runs, now and at the next boot, and everybody reaches its socket."""
    listener = service.listener()
    assert (listener["interface"], listener["state"]) == ("lo", "up")
    assert (service.show("ActiveState"), service.show("UnitFileState")) == ("active", "enabled")
    assert (computer.root / "run/rawecho/control.sock").stat().st_mode & 0o777 == 0o666
    assert "rawechod" in computer.run("journalctl", "--list-catalog").stdout


def test_the_daemon_is_no_operator(service: Service, computer: Computer) -> None:
    """Its user and the operators' group are made, and the one is not in the other."""
    assert computer.run("id", "--name", "--groups", "_rawecho").stdout.split() == ["_rawecho"]
    assert computer.run("getent", "group", "rawecho").stdout.endswith(":\n")
    status = computer.root / "proc" / service.show("MainPID") / "status"
    user = computer.run("id", "--user", "_rawecho").stdout.strip()
    assert re.search(rf"^Uid:\t{user}\t{user}\t", status.read_text(), re.MULTILINE)


def test_the_installed_unit_is_hardened(service: Service, computer: Computer) -> None:
    """systemd-analyze of this release rates it at or under 1.2, and finds no fault."""
    report = computer.run("systemd-analyze", "security", "--no-pager", service.UNIT).stdout
    figure = re.search(r"Overall exposure level for rawechod.service: ([0-9.]+)", report)
    assert figure
    assert float(figure[1]) <= EXPOSURE, report
    verdict = computer.run("systemd-analyze", "verify", "--man=no", service.UNIT)
    assert verdict.stdout + verdict.stderr == ""


def test_the_idle_daemon_is_small(service: Service, computer: Computer) -> None:
    """Less than 60 MB are resident, 16 MiB of them the receive ring."""
    service.systemctl("restart")
    status = (computer.root / "proc" / service.show("MainPID") / "status").read_text()
    resident = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert resident
    assert int(resident[1]) < MEGABYTES * 1000


@pytest.fixture(scope="module")
def alice(computer: Computer) -> str:
    """A user without any privilege."""
    computer.run("useradd", "--create-home", "--shell", "/bin/sh", "alice")
    return "alice"


@pytest.fixture
def old_login(computer: Computer, service: Service, alice: str) -> Iterator[subprocess.Popen[str]]:
    """A shell of that user, who is in no group yet; it reads commands."""
    command = [*computer.inside, "su", "--login", alice]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        yield shell
        shell.kill()


def test_joining_the_group_makes_an_operator(
    computer: Computer, alice: str, old_login: subprocess.Popen[str]
) -> None:
    """Everybody reads; who probes is told which group to join; joining counts from the next login on."""
    assert computer.login(alice, "rawechoctl status").stdout.startswith("rawechod ")
    refused = computer.login(alice, "rawechoctl probe --count 1")
    assert refused.returncode == 4
    assert "usermod -aG rawecho" in refused.stderr
    assert "log in again" in refused.stderr
    computer.run("usermod", "-aG", "rawecho", alice)
    assert computer.login(alice, "rawechoctl probe --count 1").returncode == 0
    still, _ = old_login.communicate("rawechoctl probe --count 1; echo $?\n", timeout=60)
    assert still == "4\n"


def test_no_user_drives_it_into_its_limits(service: Service, computer: Computer, alice: str) -> None:
    """With all the memory taken up that one user can make it use, the daemon lives and serves others."""
    pid = service.show("MainPID")
    command = [*computer.inside, "su", "--login", alice, "--command", f"python3 -c '{HOARDER}'"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hoarder:
        assert hoarder.stdout
        assert int(hoarder.stdout.readline()) > 100
        assert service.status()["pid"] == int(pid)
        hoarder.communicate("", timeout=60)
    limits = {name: int(service.show(name)) for name in ("MemoryMax", "TasksMax", "LimitNOFILE")}
    assert limits == {"MemoryMax": 2 << 30, "TasksMax": 32, "LimitNOFILE": 16384}


def test_stopped_means_stopped(service: Service) -> None:
    """No call starts it again, and rawechoctl says what would."""
    service.systemctl("stop")
    status = service.ctl("status", check=False)
    assert status.returncode == 3
    assert "systemctl start rawechod" in status.stderr
    assert service.show("ActiveState") == "inactive"
    service.systemctl("start")
    assert service.listener()["state"] == "up"


def test_a_wrong_configuration_is_refused_a_right_one_taken(service: Service) -> None:
    """A reload keeps the old one and `systemctl status` says why; with the file mended it is taken."""
    pid = service.show("MainPID")
    service.configure(MINE.replace('"eth1"', "1"))
    assert service.systemctl("reload", check=False).returncode != 0
    report = service.systemctl("status").stdout
    assert re.search(r"Status: .*old configuration kept: .*interface", report), report
    assert service.listener()["interface"] == "lo"
    service.configure(MINE)
    service.systemctl("reload")
    assert (service.listener()["interface"], service.listener()["state"]) == ("eth1", "up")
    assert not service.show("StatusText").startswith("old configuration")
    assert service.show("MainPID") == pid


def test_it_comes_back_after_a_reboot_and_waits_for_its_interface(service: Service, computer: Computer) -> None:
    """An interface that appears only after boot is answered on without anybody's help."""
    service.configure(MINE.replace('"eth1"', '"late0"'))
    computer.reboot()
    assert service.show("ActiveState") == "active"
    assert service.listener()["state"] == "absent"
    link = ("ip", "-netns", Path(computer.box).name, "link")
    subprocess.run([*link, "add", "late0", "up", "type", "veth", "peer", "name", "late1"], check=True)
    subprocess.run([*link, "set", "late1", "up"], check=True)
    wait_for(lambda: service.listener()["state"] == "up", "the listener to find its interface")
    subprocess.run([*link, "delete", "late0"], check=True)


def test_an_upgrade_keeps_configuration_and_service(
    service: Service, computer: Computer, package: Path, tmp_path: Path
) -> None:
    """A higher version, with another default file: mine stays, and the new program runs with it."""
    service.configure(MINE)
    service.systemctl("restart")
    newer = system.newer(package, tmp_path)
    computer.install(newer, "--option=Dpkg::Options::=--force-confold")
    assert computer.version() == system.field(newer, "Version")
    assert (computer.root / "etc/rawecho/config.toml").read_text() == MINE
    assert (service.status()["version"], service.listener()["interface"]) == ("9", "eth1")
    assert service.show("UnitFileState") == "enabled"


def test_purge_leaves_user_and_group_alone(service: Service, computer: Computer) -> None:
    """Removed, only the configuration stays; purged, nothing but the user and the group."""
    service.configure(MINE)
    computer.run("apt-get", "remove", "--yes", "rawecho")
    assert service.show("LoadState") == "not-found"
    assert (computer.root / "etc/rawecho/config.toml").read_text() == MINE
    assert [path for path in computer.traces("rawecho") if not path.startswith(("/etc/", "/var/lib/"))] == []
    computer.run("apt-get", "purge", "--yes", "rawecho")
    assert computer.traces("rawecho") == []
    assert computer.run("getent", "passwd", "_rawecho").stdout.startswith("_rawecho:")
    assert computer.run("getent", "group", "rawecho").stdout.startswith("rawecho:")


@pytest.mark.parametrize("release", ["trixie"], indirect=True)
def test_varlinkctl_speaks_with_it(service: Service, computer: Computer) -> None:
    """systemd's own Varlink client, which Debian 12 hasn't got, shows the interface and calls it."""
    socket = "/run/rawecho/control.sock"
    assert "io.rawecho.Control" in computer.run("varlinkctl", "info", socket).stdout
    computer.run("varlinkctl", "introspect", socket, "io.rawecho.Control")
    method = ("io.rawecho.Control.GetStatus", "{}")
    called = json.loads(computer.run("varlinkctl", "--json=short", "call", socket, *method).stdout)
    assert called["listeners"][0]["interface"] == service.listener()["interface"]
