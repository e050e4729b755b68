"""How the unit comes back, and when it rightly does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import wait_for
from tests.systemd.conftest import CONFIG
from tests.systemd.machine import Service

WITHOUT_PRIVILEGE = "[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n"


def restarted(service: Service, pid: str) -> None:
    """Wait until another process than `pid` runs and answers."""

    def answers() -> bool:
        return service.show("MainPID") not in ("0", pid) and service.show("ActiveState") == "active"

    wait_for(answers, "the restart", timeout=60)
    assert service.listener()["state"] == "up"


def test_a_killed_daemon_is_started_again(service: Service) -> None:
    """After SIGKILL systemd restarts it; what it left does not hinder the next."""
    pid = service.show("MainPID")
    service.systemctl("kill", "--kill-whom=main", "--signal=KILL")
    restarted(service, pid)
    assert service.show("NRestarts") == "1"


def test_the_watchdog_ends_a_daemon_that_hangs(service: Service) -> None:
    """A stopped process feeds no watchdog: it is aborted, tells where it hung, and is restarted."""
    pid = service.show("MainPID")
    service.systemctl("kill", "--kill-whom=main", "--signal=STOP")
    restarted(service, pid)
    messages = [str(entry["MESSAGE"]) for entry in service.journal()]
    assert any("Watchdog timeout" in message for message in messages)
    assert any(message.startswith("Fatal Python error: Aborted") for message in messages)
    assert any("reactor.py" in message for message in messages)


def test_a_wrong_configuration_is_not_tried_again(stopped: Service) -> None:
    """Exit 78 with every error in the journal; no restart until somebody mends the file."""
    stopped.configure(CONFIG + "colour = 'blue'\n[log]\nlevel = 'loud'\n")
    assert stopped.systemctl("start", check=False).returncode != 0
    assert (stopped.show("SubState"), stopped.show("ExecMainStatus"), stopped.show("NRestarts")) == (
        "failed",
        "78",
        "0",
    )
    text = "\n".join(str(entry["MESSAGE"]) for entry in stopped.journal())
    assert "probe.colour" in text
    assert "log.level" in text


@pytest.fixture
def unprivileged(stopped: Service) -> Iterator[Service]:
    """The service without its capability, for the one test that needs that."""
    drop_in = stopped.machine.root / "run/systemd/system/rawechod.service.d/privilege.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(WITHOUT_PRIVILEGE)
    stopped.machine.run("systemctl", "daemon-reload")
    yield stopped
    drop_in.unlink()
    drop_in.parent.rmdir()
    stopped.machine.run("systemctl", "daemon-reload")


def test_a_missing_privilege_is_not_tried_again(unprivileged: Service) -> None:
    """Exit 77, one sentence that names the capability, and no restart."""
    assert unprivileged.systemctl("start", check=False).returncode != 0
    assert (unprivileged.show("SubState"), unprivileged.show("ExecMainStatus")) == ("failed", "77")
    assert any("CAP_NET_RAW" in str(entry["MESSAGE"]) for entry in unprivileged.journal())


def test_a_missing_interface_is_waited_for(stopped: Service) -> None:
    """Without its interface the service starts all the same; it answers when the interface appears."""
    machine = stopped.machine
    stopped.configure(CONFIG.replace("eth1", "eth7"))
    stopped.systemctl("start")
    assert stopped.listener()["state"] == "absent"
    assert stopped.show("ActiveState") == "active"
    machine.run("ip", "link", "add", "eth7", "type", "veth", "peer", "name", "eth8")
    try:
        machine.run("ip", "link", "set", "eth8", "up")
        machine.run("ip", "link", "set", "eth7", "up")
        wait_for(lambda: stopped.listener()["state"] == "up", "the listener to come up")
        assert stopped.show("NRestarts") == "0"
    finally:
        machine.run("ip", "link", "del", "eth7")
    wait_for(lambda: stopped.listener()["state"] == "absent", "the listener to notice")
