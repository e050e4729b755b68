"""What most tests on a cable need: a daemon at its far end, a raw socket at its near end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab import Daemon, Host, StartDaemon
from tests.netns.port import Port, port

Responder = Callable[..., Daemon]


def table(interface: str = "eth1", **settings: object) -> str:
    """An `[[echo]]` table. JSON's texts, numbers, booleans and flat lists are TOML's too."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in ({"interface": interface} | settings).items()]
    return "\n".join(["[[echo]]", *lines, ""])


@pytest.fixture
def responder(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> Responder:
    """Start a daemon in host b that listens on its end of the cable: `responder(ethertype="ETH_P_PAE")`."""

    def start(**settings: Any) -> Daemon:
        return daemon(two_hosts[1], table(**settings))

    return start


@pytest.fixture
def near(two_hosts: tuple[Host, Host]) -> Iterator[Port]:
    """The tests' own raw socket at host a's end of the cable."""
    with port(two_hosts[0]) as made:
        yield made
