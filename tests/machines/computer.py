"""A virtual machine with the installed service on `near`, and a second daemon, root's, at the far end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab import wait_for
from tests.machines.guest import NEAR, SETUP, Guest, cable
from tests.netns.conftest import table

FAR = "/run/far.sock"
DROP_IN = """
mkdir -p /etc/systemd/system/rawechod.service.d
cp /usr/share/rawecho/ebpf.conf /etc/systemd/system/rawechod.service.d/
systemctl daemon-reload && systemctl restart rawechod
"""
"""As docs/engines.md has it."""
START_FAR = f"""
printf %s {{table}} >/run/far.toml
setsid ip netns exec far rawechod --config /run/far.toml --control {FAR} >/run/far.log 2>&1 </dev/null &
for _ in $(seq 600); do rawechoctl --socket {FAR} status >/run/far.status 2>&1 && exit; sleep 0.3; done
cat /run/far.status /run/far.log; exit 1
"""


class Computer:
    """Its service answers on `near`; probes come from `far`."""

    PATIENCE = 120
    """Seconds: emulated, everything takes twenty times as long."""

    def __init__(self, release: str, package: Path, model: str, options: str = "") -> None:
        """Raises NoBootError."""
        self.guest = Guest(release, package, cable(model, options))
        try:
            self.guest.run(SETUP, self.PATIENCE)
            self.guest.install()
            self.guest.run(DROP_IN)
            far = table(interface="far", promiscuous=True)
            self.guest.run(START_FAR.format(table=shlex.quote(far)), 3 * self.PATIENCE)
        except BaseException:
            self.close()
            raise

    @property
    def kernel(self) -> str:
        """Its release."""
        return self.guest.kernel

    def driver(self) -> str:
        """Its NICs'."""
        return self.guest.run("basename $(readlink /sys/class/net/near/device/driver)").strip()

    def close(self) -> None:
        """Switch it off."""
        self.guest.close()

    def configure(self, **settings: object) -> dict[str, Any]:
        """Restart the service with this listener on `near`: what `status` says of it once it is up."""
        text = shlex.quote(table(interface="near", **settings))
        self.guest.run(f"printf %s {text} >/etc/rawecho/config.toml; systemctl restart rawechod", self.PATIENCE)
        return self.wait(lambda listener: listener["state"] == "up", "the listener to be up")

    def objects(self, *command: str, far: bool = False) -> list[dict[str, Any]]:
        """What a `rawechoctl` command prints as JSON, of the service or of the daemon at `far`."""
        words = ["rawechoctl", *(["--socket", FAR] if far else []), "--json=short", *command]
        said = self.guest.run(shlex.join(words), 3 * self.PATIENCE, check=False)
        try:
            return [json.loads(line) for line in said.splitlines()]
        except ValueError:
            raise AssertionError(f"{shlex.join(words)} said {said}") from None

    def listener(self) -> dict[str, Any]:
        """The only listener of the service."""
        [listener] = self.objects("status")[0]["listeners"]
        return dict(listener)

    def wait(self, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait for a state of the listener: that."""
        last: dict[str, Any] = {}

        def reached() -> bool:
            last.update(self.listener())
            return condition(last)

        wait_for(reached, what, timeout=self.PATIENCE)
        return last

    def probe(self, *arguments: str) -> dict[str, Any]:
        """The summary of a probe from `far` to the service."""
        common = ("--count", "5", "--interval", "100ms", "--timeout", "5s")
        return self.objects("probe", NEAR, *common, *arguments, far=True)[-1]

    def journal(self) -> str:
        """What the service, the daemon at `far` and the kernel have said."""
        command = "journalctl --no-pager --unit rawechod; cat /run/far.log; dmesg | tail -n 30"
        return self.guest.run(command, check=False)
