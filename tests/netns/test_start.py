"""Starting where something is missing or wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.lab import MAC_B, REPOSITORY, Host, StartDaemon, as_user, join, wait_for
from tests.netns.conftest import table
from tests.netns.test_probe import assert_clean

NOBODY = 65534
BAD = """
[[echo]]
interface = "eth1"
ethertype = "ETH_P_PEA"
rate_limmit = 5

[probe]
interval = "often"
target = "02:00"

[lgo]
"""
KEYS = ("echo[0].ethertype", "echo[0].rate_limmit", "probe.interval", "probe.target", "lgo")


def rawechod(host: Host, *arguments: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the daemon to its end."""
    command = [*as_user(uid, ()), sys.executable, "-m", "rawechod", *arguments]
    return host.run(*command, check=False, cwd=REPOSITORY, timeout=20)


def test_no_privilege(two_hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """An ordinary user gets one sentence that says what is missing and what to do; exit status 77."""
    control = tmp_path / "control.sock"
    result = rawechod(two_hosts[0], "--interface", "eth1", "--control", str(control), uid=NOBODY)
    assert result.returncode == 77
    (sentence,) = result.stderr.splitlines()
    assert "CAP_NET_RAW" in sentence
    assert "systemctl start rawechod" in sentence
    assert not control.exists()


def test_wrong_configuration(lone_host: Host, tmp_path: Path) -> None:
    """Every error at once, each with file and key; exit status 78. `--check-config` says the same."""
    file = tmp_path / "bad.toml"
    file.write_text(BAD)
    for arguments in (["--config", str(file)], ["--check-config", str(file)]):
        result = rawechod(lone_host, *arguments, "--control", str(tmp_path / "control.sock"))
        assert result.returncode == 78
        lines = result.stderr.splitlines()
        for key in KEYS:
            assert any(line.startswith(f"{file}: {key}: ") for line in lines), (key, lines)
        assert len(lines) == len(KEYS)


def test_missing_configuration(lone_host: Host, tmp_path: Path) -> None:
    """A file that is not there can't be right."""
    result = rawechod(lone_host, "--config", str(tmp_path / "none.toml"))
    assert result.returncode == 78
    assert "No such file" in result.stderr


def test_checking_needs_no_privilege(lone_host: Host, tmp_path: Path) -> None:
    """`--check-config` is for everybody who can read the file."""
    file = tmp_path / "good.toml"
    file.write_text(table("lo"))
    assert rawechod(lone_host, "--check-config", str(file), uid=NOBODY).returncode == 0


def test_missing_interface_waits(daemon: StartDaemon, two_hosts: tuple[Host, Host]) -> None:
    """It is ready, shown as absent, refuses to probe there, and answers as soon as the interface appears."""
    a, b = two_hosts
    far = daemon(b, table("eth7"))
    listener = far.listener()
    assert (listener["state"], listener["ifindex"], listener["mac"], listener["mtu"]) == (
        "absent",
        None,
        None,
        None,
    )
    assert "eth7: there is no such interface" in far.stderr
    refused = far.ctl("probe", MAC_B)
    assert (refused.returncode, "no interface eth7" in refused.stderr) == (5, True)
    ours = daemon(a, table("eth7"))
    join(a, b, "eth7", ("02:00:00:00:07:0a", "02:00:00:00:07:0b"))
    wait_for(lambda: [far.listener()["state"], ours.listener()["state"]] == ["up", "up"], "both up")
    assert_clean(ours.probe("-c", "3", "-i", "5ms", "02:00:00:00:07:0b"), 3)


def test_interface_that_is_down(daemon: StartDaemon, two_hosts: tuple[Host, Host]) -> None:
    """The same for one that is there without being up."""
    a, b = two_hosts
    b.ip("link", "set", "eth1", "down")
    far = daemon(b, table())
    assert far.listener()["state"] == "down"
    refused = far.ctl("probe", MAC_B)
    assert (refused.returncode, "eth1 is down" in refused.stderr) == (5, True)
    b.ip("link", "set", "eth1", "up")
    wait_for(lambda: far.listener()["state"] == "up", "the listener up")
    ours = daemon(a, table())
    assert_clean(ours.probe("-c", "3", "-i", "5ms", MAC_B), 3)


def test_interface_that_speaks_no_ethernet(lone_host: Host, daemon: StartDaemon) -> None:
    """A layer-3 tunnel: the daemon lives, says so, and refuses to probe there."""
    lone_host.ip("tuntap", "add", "tun0", "mode", "tun")
    ours = daemon(lone_host, table("tun0") + table("lo"))
    listener = ours.listener(0)
    assert listener["state"] == "down"
    assert listener["notes"] == ["it does not speak Ethernet"]
    assert "tun0: not usable: it does not speak Ethernet" in ours.stderr
    refused = ours.ctl("probe", "-I", "tun0")
    assert (refused.returncode, "does not speak Ethernet" in refused.stderr) == (5, True)
    assert_clean(ours.probe("-I", "lo", "-c", "3", "-i", "5ms"), 3)


def test_control_socket_of_a_living_daemon(lone_host: Host, daemon: StartDaemon) -> None:
    """A second daemon on the same path ends with a sentence; the first one goes on."""
    first = daemon(lone_host, table("lo"))
    second = rawechod(lone_host, "--interface", "lo", "--control", str(first.control))
    assert second.returncode == 1
    assert "another rawechod is running there" in second.stderr
    assert first.status()["pid"] == first.process.pid
