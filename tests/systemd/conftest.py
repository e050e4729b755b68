"""Fixtures for tests under a real systemd."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Evidence
from tests.lab import REPOSITORY
from tests.systemd.machine import Machine, Service


@pytest.fixture(scope="session")
def installed_tree(root: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install DESTDIR=...` makes of the checkout, once for all machines."""
    tree = tmp_path_factory.mktemp("installed")
    tree.chmod(0o755)  # it is laid over the machine's root
    subprocess.run([REPOSITORY / "packaging/install.sh", tree, "/usr"], check=True)
    return tree


@pytest.fixture(scope="module")
def machine(installed_tree: Path) -> Iterator[Machine]:
    """A booted machine with rawecho installed, as after `make install`; the service is not started."""
    machine = Machine()
    try:
        subprocess.run(["cp", "--archive", f"{installed_tree}/.", machine.root], check=True)
        machine.run("systemd-sysusers")
        machine.run("journalctl", "--update-catalog")
        machine.run("systemctl", "daemon-reload")
        yield machine
    finally:
        machine.close()


CONFIG = """
[[echo]]
interface = "eth1"

[probe]
interval = "20ms"
"""


@pytest.fixture
def stopped(machine: Machine, evidence: Evidence) -> Iterator[Service]:
    """The service, configured for `eth1` and not started; stopped again after the test."""
    service = Service(machine)
    evidence.append(("journal", lambda: machine.run("journalctl", "--boot", "--no-pager").stdout))
    service.configure(CONFIG)
    yield service
    service.systemctl("stop")
    service.systemctl("reset-failed", check=False)  # which fails where nothing had


@pytest.fixture
def service(stopped: Service) -> Service:
    """The service, started."""
    stopped.systemctl("start")
    return stopped
