"""What most tests on a cable need: a daemon at its far end, a raw socket at its near end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.conftest import Evidence
from tests.lab import Daemon, Host, StartDaemon, join
from tests.netns.port import Port, port

Responder = Callable[..., Daemon]
ENGINES = ("epoll", "ebpf")
"""What answers the same frames with the same octets and the same counters."""


def table(interface: str = "eth1", **settings: object) -> str:
    """An `[[echo]]` table. JSON's texts, numbers, booleans and flat lists are TOML's too.

    The engine is epoll where nothing else is said: a tap beside the kernel engine sees nothing.
    """
    settings = {"interface": interface, "engine": "epoll"} | settings
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(["[[echo]]", *lines, ""])


@pytest.fixture
def engine() -> str:
    """The responder's engine; tests that hold for several say so by parametrizing it."""
    return "epoll"


@pytest.fixture
def responder(two_hosts: tuple[Host, Host], daemon: StartDaemon, engine: str) -> Responder:
    """Start a daemon in host b that listens on its end of the cable: `responder(ethertype="ETH_P_PAE")`."""

    def start(**settings: Any) -> Daemon:
        return daemon(two_hosts[1], table(**{"engine": engine} | settings))

    return start


class Cable(NamedTuple):
    """Two hosts, and at each end of what joins them a daemon that listens to everything."""

    a: Host
    b: Host
    ours: Daemon
    far: Daemon


@pytest.fixture(scope="module")
def lasting_cable(root: None) -> Iterator[Cable]:
    """One for all tests of a module that leave its interfaces and its daemons as they are."""
    with contextlib.ExitStack() as stack:
        a, b = Host("a"), Host("b")
        for host in (a, b):
            stack.callback(host.close)
        join(a, b)
        ours, far = Daemon(a, table()), Daemon(b, table())
        for daemon in (ours, far):
            stack.callback(daemon.close)
        for daemon in (ours, far):
            daemon.wait_ready()
        yield Cable(a, b, ours, far)


@pytest.fixture
def cable(lasting_cable: Cable, evidence: Evidence) -> Cable:
    """The module's cable, and what its daemons said if this test fails."""
    for each in (lasting_cable.ours, lasting_cable.far):
        evidence.append((f"rawechod in {each.host}, all tests so far", lambda each=each: each.stderr))  # type: ignore[misc]
    return lasting_cable


@pytest.fixture
def near(two_hosts: tuple[Host, Host]) -> Iterator[Port]:
    """The tests' own raw socket at host a's end of the cable."""
    with port(two_hosts[0]) as made:
        yield made
