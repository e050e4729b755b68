"""Fixtures for all tests, evidence for failed ones, and an account of those that were skipped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Daemon, Host, StartDaemon, join

Evidence = list[tuple[str, Callable[[], str]]]
EVIDENCE = pytest.StashKey[Evidence]()


@pytest.fixture(scope="session")
def root() -> None:
    """Skip where the tests do not run as root."""
    if os.geteuid():
        pytest.skip("needs root: network namespaces and raw sockets")


@pytest.fixture
def lone_host(root: None) -> Iterator[Host]:
    """A host with nothing but its loopback device."""
    host = Host("lone")
    yield host
    host.close()


@pytest.fixture
def two_hosts(root: None) -> Iterator[tuple[Host, Host]]:
    """Hosts `a` and `b`, joined by a cable: `eth1` at both ends, with MAC_A and MAC_B."""
    a, b = Host("a"), Host("b")
    join(a, b)
    yield a, b
    a.close()
    b.close()


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """Titles and texts that the report of this test shows if it fails."""
    found: Evidence = request.node.stash.setdefault(EVIDENCE, [])
    return found


@pytest.fixture
def daemon(root: None, evidence: Evidence) -> Iterator[StartDaemon]:
    """Start any number of daemons: `daemon(host, config, *arguments, ready=True)`."""
    daemons: list[Daemon] = []

    def start(*arguments: Any, ready: bool = True, **options: Any) -> Daemon:
        started = Daemon(*arguments, **options)
        daemons.append(started)
        evidence.append((f"rawechod in {started.host}", lambda: started.stderr))
        if ready:
            started.wait_ready()
        return started

    yield start
    for each in daemons:
        each.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the evidence to a failed test's report."""
    report = yield
    if report.failed:
        report.sections += [(title, text()) for title, text in item.stash.get(EVIDENCE, [])]
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips`, which a true CI variable implies; `--machines` and `--matrix`, for what takes its time."""
    default = os.environ.get("CI", "").lower() in ("1", "true", "yes")
    parser.addoption("--no-skips", action="store_true", default=default, help="fail if a test skips")
    parser.addoption("--machines", action="store_true", help="also boot virtual machines: tests/machines")
    parser.addoption("--matrix", action="store_true", help="with every NIC that QEMU has, instead of one")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Virtual machines boot only for whoever asks for them."""
    machines = Path(__file__).with_name("machines")
    if collection_path == machines:
        return None if config.option.machines else True
    if collection_path.parent == machines and collection_path.name.startswith("test_"):
        return None if config.option.matrix == (collection_path.name == "test_matrix.py") else True
    return None


def _skipped(config: pytest.Config) -> Counter[str]:
    """How many tests were skipped for which reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where skips are not allowed, one fails the run."""
    if session.config.getoption("no_skips") and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each reason why tests were skipped."""
    verdict = ", which is a failure here" if config.getoption("no_skips") else ""
    for reason, count in _skipped(config).items():
        terminalreporter.write_line(f"skipped {count}: {reason}{verdict}", yellow=True)
