"""Fixtures for tests on the kernels of Debian 12 and 13, with the packages that the package tests build."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Evidence
from tests.machines import guest
from tests.machines.computer import Computer
from tests.packages import system
from tests.packages.conftest import Build, built, source

__all__ = ["built", "source"]  # fixtures


@pytest.fixture(scope="module", params=system.RELEASES)
def release(request: pytest.FixtureRequest, root: None) -> str:
    """A Debian release's code name."""
    if lacking := guest.missing():
        pytest.skip(f"needs {lacking}: virtual machines")
    return str(request.param)


@pytest.fixture(scope="module")
def booted(release: str, built: Build) -> Iterator[Computer]:
    """A machine with two virtio NICs and the installed package; module by module, for one at a time runs well."""
    computer = Computer(release, built(release), "virtio-net-pci")
    yield computer
    computer.close()


@pytest.fixture
def computer(booted: Computer, evidence: Evidence) -> Computer:
    """The same, and what its journal said if the test fails."""
    evidence.append((booted.kernel, booted.journal))
    return booted
