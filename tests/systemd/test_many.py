"""As many listeners as there may be under the shipped unit, with its watchdog and its time to stop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rawechod.config import MOST_LISTENERS
from tests.systemd.machine import Machine, Service


@pytest.fixture
def crowded(machine: Machine) -> Iterator[None]:
    """So many interfaces more, of which each two are joined."""
    links = "link add p$i type veth peer name p$((i + 1))\\nlink set p$i up\\nlink set p$((i + 1)) up\\n"
    makes = f'for i in $(seq 0 2 $1); do printf "{links}"; done | ip -batch -'
    machine.run("sh", "-ec", makes, "sh", str(MOST_LISTENERS - 2))
    yield
    machine.run("sh", "-ec", "for i in $(seq 0 2 $1); do ip link del p$i; done", "sh", str(MOST_LISTENERS - 2))


def tables(rate: int) -> str:
    """A listener on each."""
    return "".join(
        f'[[echo]]\ninterface = "p{number}"\nengine = "epoll"\nrate_limit = {rate}\n'
        for number in range(MOST_LISTENERS)
    )


def test_many_listeners_keep_the_service_alive(crowded: None, stopped: Service) -> None:
    """It starts, reloads and stops in the same process: no watchdog and no timeout ends it."""
    stopped.configure(tables(1))
    stopped.systemctl("start")
    pid = stopped.show("MainPID")
    stopped.configure(tables(2))
    stopped.systemctl("reload")
    assert (stopped.show("MainPID"), stopped.show("ActiveState")) == (pid, "active")
    assert stopped.show("StatusText") == f"answering on {MOST_LISTENERS} of {MOST_LISTENERS} interfaces"
    assert [one["state"] for one in stopped.status()["listeners"]] == ["up"] * MOST_LISTENERS
    stopped.systemctl("stop")
    results = [stopped.show(name) for name in ("Result", "ExecMainStatus", "NRestarts")]
    assert results == ["success", "0", "0"]
