"""Fixtures for tests of the Debian packages; each test runs for Debian 12 and for Debian 13."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Evidence
from tests.lab import REPOSITORY
from tests.packages import system
from tests.packages.system import Computer
from tests.systemd.machine import Service

Build = Callable[[str], Path]
_packages: dict[str, Path] = {}
"""What was built in this run, for the tests of virtual machines as well."""
SHIPPED = (REPOSITORY / "etc/rawecho/config.toml").read_text()


PREPARATION = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """The systems that packages are built in are made, where they are missing, while other tests run."""
    here = any(Path(__file__).parent in item.path.parents for item in session.items)
    if here and not session.config.option.collectonly and not os.geteuid() and shutil.which("mmdebstrap"):
        kinds = "build machine" if session.config.option.machines else "build"
        make = f"{system.PACKAGING}/root.sh make $release $kind"
        script = f"for kind in {kinds}; do for release in {' '.join(system.RELEASES)}; do {make}; done; done"
        session.config.stash[PREPARATION] = subprocess.Popen(
            ["nice", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what is wrong comes up again when a test wants the system
            start_new_session=True,
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """What is still being made is given up."""
    if preparation := config.stash.get(PREPARATION, None):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(preparation.pid, signal.SIGTERM)
        preparation.wait()


@pytest.fixture(scope="session", params=system.RELEASES)
def release(request: pytest.FixtureRequest, root: None) -> str:
    """A Debian release's code name."""
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap: minimal Debian systems")
    return str(request.param)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout's files, as a release's archive has them."""
    copy = tmp_path_factory.mktemp("source") / "rawecho"
    system.copy(REPOSITORY, system.files(REPOSITORY), copy, mode=0o755)
    return copy


@pytest.fixture(scope="session")
def built(root: None, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build a release's package, once a run."""

    def build(release: str) -> Path:
        if release not in _packages:
            _packages[release] = system.build(release, source, tmp_path_factory.mktemp(release))
        return _packages[release]

    return build


@pytest.fixture(scope="session")
def package(built: Build, release: str) -> Path:
    """The release's package."""
    return built(release)


@pytest.fixture(scope="module")
def computer(release: str) -> Iterator[Computer]:
    """A booted minimal Debian without rawecho."""
    computer = Computer(release)
    yield computer
    computer.close()


@pytest.fixture
def service(computer: Computer, package: Path, evidence: Evidence) -> Service:
    """The package's service as a new installation has it; only what differs is put right."""
    evidence.append(("journal", lambda: computer.run("journalctl", "--boot", "--no-pager").stdout))
    if computer.version() != system.field(package, "Version"):
        computer.install(package, "--allow-downgrades", "--option=Dpkg::Options::=--force-confnew")
    service = Service(computer)
    if (computer.root / "etc/rawecho/config.toml").read_text() != SHIPPED:
        service.configure(SHIPPED)
        service.systemctl("restart")
    if service.show("ActiveState") != "active":
        service.systemctl("start")
    return service
