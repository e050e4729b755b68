"""A machine with a systemd of its own, for tests that need a service manager and a journal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.lab import Host

BOX = Path(__file__).with_name("box.sh")


class Peer(Host):
    """The network at the other end of the machine's cable; the machine makes and removes it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._children = []

    def close(self) -> None:
        """End what still runs in it."""
        for child in self._children:
            with child:
                child.kill()


class Machine:
    """A booted box: `eth1` inside and at the `peer` are joined by a cable."""

    def __init__(self, *options: str) -> None:
        self.box = _box("up", *options).stdout.strip()
        self.peer = Peer(f"{Path(self.box).name}-peer")

    @property
    def root(self) -> Path:
        """The root of the file system inside, as seen from outside."""
        leader = Path(self.box, "leader").read_text().strip()
        return Path(f"/proc/{leader}/root")

    @property
    def inside(self) -> list[str]:
        """A prefix for commands that are to run inside."""
        return [str(BOX), "exec", self.box]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; a failure is an error unless `check=False`."""
        return _box("exec", self.box, *command, check=check)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    def journal(self, *match: str) -> list[dict[str, Any]]:
        """The journal's entries that match, oldest first."""
        lines = self.run("journalctl", "--output=json", "--no-pager", *match).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def cursor(self) -> str:
        """Where the journal ends now, for `journal(f"--after-cursor={cursor}")`."""
        last = self.run("journalctl", "--show-cursor", "--lines=0", "--quiet").stdout
        return last.removeprefix("-- cursor: ").strip()

    def reboot(self) -> None:
        """Shut down in order, and boot again on the same file system."""
        _box("reboot", self.box)

    def close(self) -> None:
        """Power off, and remove everything."""
        self.peer.close()
        _box("down", self.box)


def _box(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [str(BOX), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if check and result.returncode:
        raise AssertionError(f"{arguments} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result


class Service:
    """The installed rawechod of a machine, as its administrator handles it."""

    UNIT = "rawechod.service"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._cursor = machine.cursor()

    def configure(self, config: str) -> None:
        """Write /etc/rawecho/config.toml."""
        (self.machine.root / "etc/rawecho/config.toml").write_text(config)

    def systemctl(self, verb: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`systemctl VERB rawechod`."""
        return self.machine.run("systemctl", verb, *options, self.UNIT, check=check)

    def ctl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`rawechoctl ARGUMENTS` as root."""
        return self.machine.run("rawechoctl", *arguments, check=check)

    def status(self) -> dict[str, Any]:
        """`rawechoctl status`, parsed."""
        return dict(json.loads(self.ctl("--json=short", "status").stdout))

    def listener(self) -> dict[str, Any]:
        """The only listener of `status`."""
        [listener] = self.status()["listeners"]
        return dict(listener)

    def show(self, name: str) -> str:
        """One property of the unit."""
        return self.machine.show(self.UNIT, name)

    def journal(self) -> list[dict[str, Any]]:
        """What the unit, and systemd about it, has written since this object was made."""
        # Chosen here: journalctl skips the first match after a cursor that does not match itself.
        entries = self.machine.journal(f"--after-cursor={self._cursor}")
        return [entry for entry in entries if self.UNIT in (entry.get("_SYSTEMD_UNIT"), entry.get("UNIT"))]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The daemon's journal entries of one kind."""
        return [entry for entry in self.journal() if entry.get("RAWECHO_EVENT") == name]
