"""What the shells complete, in real shells, with and without a daemon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rawechoctl import cli
from tests import helps, shells
from tests.lab import MAC_B, REPOSITORY, Host, StartDaemon
from tests.shells import Shell

NEIGHBOUR = "02:00:00:00:00:77"
NAMED = "02:00:00:00:00:0d"
ALLOWED = "02:00:00:00:00:0c"
CONFIG = f"""
[echo]
interface = "eth1"
allow = ["{ALLOWED}"]

[probe]
target = "{MAC_B}"
interfaces = ["eth7"]

[hosts]
far = "{NAMED}"
"switch.lab" = "{NAMED}"
"""

StartShell = Callable[[Host, Path], Shell]


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What goes below /usr/share."""
    directory = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, REPOSITORY / "packaging/generate.py", "--share", directory], check=True)
    return directory


@pytest.fixture(params=["bash", "zsh", "fish"])
def start(request: pytest.FixtureRequest, share: Path) -> Iterator[StartShell]:
    """Start each of the shells in a host."""
    started: list[Shell] = []

    def start(host: Host, socket: Path) -> Shell:
        started.append(shells.start(request.param, host, share, socket))
        return started[-1]

    yield start
    for shell in started:
        shell.close()


@pytest.fixture
def alone(start: StartShell, lone_host: Host, tmp_path: Path) -> Shell:
    """A shell where no daemon runs."""
    return start(lone_host, tmp_path / "nobody.sock")


@pytest.fixture
def served(start: StartShell, two_hosts: tuple[Host, Host], daemon: StartDaemon) -> Shell:
    """A shell whose daemon is configured with an interface, another to probe from, a target and a peer."""
    host = two_hosts[0]
    host.ip("neighbour", "add", "192.0.2.7", "lladdr", NEIGHBOUR, "dev", "eth1", "nud", "permanent")
    return start(host, daemon(host, CONFIG).control)


def test_commands(alone: Shell) -> None:
    """Every command is offered, and one that is begun is ended."""
    assert alone.candidates("rawechoctl ") == set(cli.COMMANDS)
    assert alone.candidates("rawechoctl -j st") == {"stats", "status"}
    assert alone.completed("rawechoctl pr") == "rawechoctl probe"


def test_options(alone: Shell) -> None:
    """Every option of the programs and of each command is offered, and no other."""
    everywhere = helps.options("rawechoctl")
    assert alone.candidates("rawechoctl -") == everywhere
    assert alone.candidates("rawechod -") == helps.options("rawechod")
    for command in cli.COMMANDS:
        expected = helps.options("rawechoctl", command) | everywhere
        assert alone.candidates(f"rawechoctl {command} -") == expected, command


def test_choices(alone: Shell) -> None:
    """Values of which there are a few are offered, also behind `=`."""
    assert alone.candidates("rawechoctl --json ") == set(cli.JSON_MODES)
    assert alone.completed("rawechoctl --json=pr") == "rawechoctl --json=pretty"
    assert alone.candidates("rawechoctl probe --ethertype ") == {"ETH_P_802_EX1", "ETH_P_PAE"}
    assert alone.completed("rawechod --ethertype ETH_P_P") == "rawechod --ethertype ETH_P_PAE"


def test_a_daemon_tells_where_to_probe_from(served: Shell) -> None:
    """The listeners' interfaces and those that may be probed from, not all that there are."""
    assert served.candidates("rawechoctl probe -I ") == {"eth1", "eth7"}
    assert served.completed("rawechoctl -j probe --interface eth7") == "rawechoctl -j probe --interface eth7"
    assert served.candidates("rawechod --interface ") == {"eth1", "lo"}


def test_known_hosts_are_targets(served: Shell) -> None:
    """The configuration's names and MACs, and those of the kernel; the colons of MACs do not get in the way."""
    expected = {MAC_B, ALLOWED, NEIGHBOUR, NAMED, "far", "switch.lab", "broadcast", "pae-group"}
    assert served.candidates("rawechoctl probe ") == expected
    assert served.candidates("rawechoctl probe -q --target ") == expected
    assert served.completed("rawechoctl probe fa") == "rawechoctl probe far"
    assert served.completed("rawechoctl probe 02:00:00:00:00:7") == f"rawechoctl probe {NEIGHBOUR}"
    assert served.completed("rawechoctl probe far 02:00:00:00:00:7") == f"rawechoctl probe far {NEIGHBOUR}"
    assert (
        served.completed("rawechoctl probe --target=02:00:00:00:00:0c") == f"rawechoctl probe --target={ALLOWED}"
    )


def test_the_named_daemon_is_asked(
    start: StartShell, two_hosts: tuple[Host, Host], daemon: StartDaemon, tmp_path: Path
) -> None:
    """`--socket`, in both spellings, counts for the completion too."""
    control = daemon(two_hosts[0], CONFIG).control
    shell = start(two_hosts[0], tmp_path / "nobody.sock")
    for option in (f"--socket {control}", f"--socket={control}"):
        assert shell.candidates(f"rawechoctl {option} probe -I ") == {"eth1", "eth7"}


def test_without_a_daemon(alone: Shell) -> None:
    """All interfaces and the group targets are offered, and nothing is said."""
    assert alone.candidates("rawechoctl probe -I ") == {"lo"}
    assert alone.candidates("rawechoctl probe ") == {"broadcast", "pae-group"}
