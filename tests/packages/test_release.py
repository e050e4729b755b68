"""The upgrade of a whole system from Debian 12 to Debian 13."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.packages import system
from tests.packages.conftest import SHIPPED, Build
from tests.packages.system import Computer
from tests.systemd.machine import Service

MINE = SHIPPED + "\n# mine\n"


@pytest.mark.parametrize("release", ["bookworm"], indirect=True)
def test_the_service_survives_the_upgrade_of_its_system(
    service: Service, computer: Computer, built: Build, package: Path
) -> None:
    """With the new package at hand, `apt full-upgrade` takes the service and its configuration along."""
    service.configure(MINE)
    sources = computer.root / "etc/apt/sources.list"
    sources.write_text(re.sub("bookworm", "trixie", sources.read_text()))
    successor = shutil.copy(built("trixie"), computer.root / "tmp/rawecho.deb")
    computer.online("apt-get", "update")
    options = ("--no-install-recommends", "--option=Dpkg::Options::=--force-unsafe-io")
    computer.online("apt-get", "full-upgrade", "--yes", *options, "/tmp/rawecho.deb")
    assert computer.version() == system.field(Path(successor), "Version")
    assert (computer.root / "etc/rawecho/config.toml").read_text() == MINE
    assert not (computer.root / "usr/lib/rawecho").exists()
    assert service.show("ActiveState") == "active"
    computer.reboot()
    assert service.listener()["state"] == "up"
