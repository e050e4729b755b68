"""What the packages hold, and what they need."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.lab import REPOSITORY
from tests.packages import system
from tests.packages.conftest import Build

EVERYWHERE = (
    "/etc/rawecho/config.toml",
    "/lib/systemd/system/rawechod.service",
    "/rawechod/control/io.rawecho.Control.varlink",
    "/rawechod/echo/reflect-tags.bpf.o",
    "/rawechod/echo/reflect.bpf.o",
    "/usr/bin/rawechoctl",
    "/usr/bin/rawechod",
    "/usr/lib/systemd/catalog/rawecho.catalog",
    "/usr/lib/sysusers.d/rawecho.conf",
    "/usr/share/doc/rawecho/changelog.Debian.gz",
    "/usr/share/doc/rawecho/copyright",
)
NOWHERE = re.compile(r"/(pip|setuptools|wheel|pkg_resources|__pycache__|tests?)(/|$)|\.(py[co]|[ch])$|[Aa]ctivate")
LIBRARIES = {
    "bookworm": ("python3 (>= 3.11)", "python3 (<< 3.12)"),
    "trixie": ("python3-pydantic (>= 2)", "python3-structlog (>= 23.1)", "python3-systemd (>= 235)"),
}
KILOBYTES = {"bookworm": 12_000, "trixie": 1_250}


@pytest.fixture(scope="session")
def paths(package: Path) -> list[str]:
    """What the package installs."""
    listing = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True)
    names = subprocess.run(["tar", "-t"], input=listing.stdout, capture_output=True, check=True).stdout
    return [name.removeprefix(".") for name in names.decode().splitlines()]


def test_everything_is_in_its_place(paths: list[str]) -> None:
    """Programs, service, user, catalog, configuration, and what was compiled."""
    assert [place for place in EVERYWHERE if not any(path.endswith(place) for path in paths)] == []
    for part in ("echo/_batch", "probe/_exchange"):
        assert [path for path in paths if re.search(rf"/rawechod/{part}\..*\.so$", path)]


def test_nothing_is_left_of_the_build(package: Path, release: str, paths: list[str]) -> None:
    """No installer, no caches, no libraries' tests, no sources of what is compiled; a few MB at most."""
    assert [path for path in paths if NOWHERE.search(path)] == []
    assert int(system.field(package, "Installed-Size")) < KILOBYTES[release]


def test_dependencies_have_their_versions(package: Path, release: str) -> None:
    """On Debian 12 this Python and no libraries, which come along; on Debian 13 those that are new enough."""
    depends = system.field(package, "Depends").split(", ")
    assert [each for each in LIBRARIES[release] if each not in depends] == []
    assert release == "trixie" or not [each for each in depends if each.startswith("python3-")]


def test_debian_13_has_the_higher_version(built: Build, release: str) -> None:
    """So that it replaces the package of Debian 12 when the system is upgraded."""
    versions = [system.field(built(name), "Version") for name in system.RELEASES]
    assert [version.rpartition("~")[2] for version in versions] == ["deb12u1", "deb13u1"]
    subprocess.run(["dpkg", "--compare-versions", versions[0], "lt", versions[1]], check=True)


def test_lintian_is_content(package: Path, release: str) -> None:
    """Neither errors nor warnings, by the release's own lintian."""
    check = "lintian --allow-root --fail-on error,warning rawecho_*.changes"
    assert system.run_in(release, package.parent, check) == ""


def test_two_builds_give_the_same_bytes(package: Path, release: str, source: Path, tmp_path: Path) -> None:
    """Another place, another time, another order of files, tighter modes; from git, not from an archive."""
    copy = tmp_path / "rawecho"
    system.copy(source, reversed(system.files(source)), copy, mode=0o700)
    for command in (("init", "--quiet"), ("add", "--all")):
        subprocess.run(["git", *command], cwd=copy, check=True)
    assert system.build(release, copy, tmp_path / "out").read_bytes() == package.read_bytes()


def test_libraries_are_pinned_at_the_tried_versions() -> None:
    """What goes into the package by hash has the versions that the tests ran with."""
    tried = (REPOSITORY / "packaging/constraints.txt").read_text().replace("_", "-").lower().splitlines()
    for name in ("requirements.txt", "debian/build-requirements.txt"):
        pinned = re.findall(r"^\S+==\S+", (REPOSITORY / "packaging" / name).read_text(), re.MULTILINE)
        assert len(pinned) > 2
        assert [each for each in pinned if each not in tried] == []
