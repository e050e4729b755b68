"""Minimal Debian systems: the packages that are built in them, and machines to install those on."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.lab import REPOSITORY
from tests.systemd.machine import Machine

PACKAGING = REPOSITORY / "packaging"
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts")
RELEASES = {"bookworm": 12, "trixie": 13}


def root(release: str, *kind: str) -> Path:
    """The directory of a minimal Debian, `root.sh` says of which kinds; made once and kept."""
    made = _output(PACKAGING / "root.sh", "make", release, *kind)
    return Path(made.splitlines()[-1])


def files(source: Path) -> list[str]:
    """What a release holds of a source: all that git knows or would take, or all there is."""
    if (source / ".git").exists():
        listing = _output("git", "-C", source, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return [name for name in listing.split("\0") if name and (source / name).exists()]
    return [str(path.relative_to(source)) for path in sorted(source.rglob("*")) if path.is_file()]


def copy(source: Path, names: Iterable[str], target: Path, mode: int) -> None:
    """Copy files of a source, with those bits of their modes."""
    for name in names:
        (target / name).parent.mkdir(mode=mode, parents=True, exist_ok=True)
        (target / name).write_bytes((source / name).read_bytes())
        (target / name).chmod((source / name).stat().st_mode & mode)


def build(release: str, source: Path, directory: Path) -> Path:
    """The package of a source for a release, built in its system into a directory."""
    _output(source / "packaging/deb.sh", "-r", root(release, "build"), directory)
    [package] = directory.glob("rawecho_*.deb")
    return package


def newer(package: Path, directory: Path) -> Path:
    """The same package as version 9, whose shipped configuration differs by a word."""
    tree = directory / "tree"
    _output("dpkg-deb", "--raw-extract", package, tree)
    _edit(tree / "DEBIAN/control", r"^Version: [0-9.]+", "Version: 9")
    [version] = tree.rglob("rawechod/__init__.py")
    _edit(version, r'"[0-9.]+"', '"9"')
    _edit(tree / "etc/rawecho/config.toml", r"^# A listener", "# Every listener")
    return Path(_output("dpkg-deb", "--root-owner-group", "--build", tree, directory).split("'")[-2])


def field(package: Path, name: str) -> str:
    """A field of a package's control file."""
    return _output("dpkg-deb", "--field", package, name).strip()


def run_in(release: str, directory: Path, command: str) -> str:
    """What a shell command says in the system that packages are built in, in a directory of this machine."""
    inside = ("sh", "-ec", f"cd /mnt; {command}")
    return _output(PACKAGING / "root.sh", "run", root(release, "build"), "-b", f"{directory}:/mnt", *inside)


class Computer(Machine):
    """A booted minimal Debian, where apt-get reaches the network."""

    def __init__(self, release: str) -> None:
        self.release = release
        super().__init__("-r", str(root(release)), *(f"-b{name}:{name}" for name in NETWORK_FILES))
        self.online("apt-get", "update")

    def online(self, *command: str) -> str:
        """What a command says that needs the network."""
        return _output(*self.inside[:1], "hostnet", self.box, *command)

    def install(self, package: Path, *options: str) -> str:
        """`apt install ./PACKAGE`, as an administrator who got the file."""
        copy = self.root / "tmp" / package.name
        shutil.copy(package, copy)
        try:
            return self.online("apt-get", "install", "--yes", *options, f"/tmp/{package.name}")
        finally:
            copy.unlink()

    def version(self) -> str:
        """Of the installed package; empty where there is none, or only its configuration."""
        query = ("dpkg-query", "--show", "--showformat=${Version} ${db:Status-Status}", "rawecho")
        version, _, status = self.run(*query, check=False).stdout.partition(" ")
        return version if status == "installed" else ""

    def login(self, user: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a new login of a user."""
        return self.run("su", "--login", user, "--command", command, check=False)

    def traces(self, word: str) -> list[str]:
        """Every path with a word in it, but those of /proc and /sys."""
        places = ("/", "/run", "/tmp", "/dev")  # each a file system of its own
        found = (self.run("find", place, "-xdev", "-path", f"*{word}*").stdout for place in places)
        return [path for paths in found for path in paths.splitlines()]


def _edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE)
    assert count, f"nothing in {path} looks like {pattern}"
    path.write_text(text)


def _output(*command: str | Path) -> str:
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False
    )
    if result.returncode:
        words = shlex.join(map(str, command))
        raise AssertionError(f"{words} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout
