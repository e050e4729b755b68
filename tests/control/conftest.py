"""A daemon on a loopback device, for all conversations of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.control.talk import Talk, connect
from tests.lab import Daemon, Host

CONFIG = """
[[echo]]
interface = "lo"
rate_limit = 0
peer_rate_limit = 0
"""


@pytest.fixture(scope="module")
def served(root: None) -> Iterator[Daemon]:
    """It answers on `lo` and serves its control socket from the first test of a module to the last."""
    host = Host("control")
    daemon = Daemon(host, CONFIG)
    daemon.wait_ready()
    yield daemon
    daemon.close()
    host.close()


@pytest.fixture(autouse=True)
def _still_serving(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test has done to it, the same daemon serves the next one."""
    yield
    if "served" in request.fixturenames:
        daemon: Daemon = request.getfixturevalue("served")
        assert daemon.process.poll() is None, daemon.stderr
        with connect(daemon.control) as other:
            assert "version" in other.call("GetStatus")["parameters"]


@pytest.fixture
def talk(served: Daemon) -> Iterator[Talk]:
    """A connection as root."""
    with connect(served.control) as made:
        yield made
