"""The laboratory itself: what the other tests stand on."""

from __future__ import annotations

import grp
import subprocess
from pathlib import Path

import pytest

from tests.lab import MAC_A, MAC_B, Host, StartDaemon, wait_for


def test_a_frame_crosses_the_cable(two_hosts: tuple[Host, Host]) -> None:
    """What one host sends arrives at the other, byte for byte, and nothing came before it."""
    a, b = two_hosts
    frame = bytes.fromhex((MAC_B + MAC_A).replace(":", "") + "88b5") + bytes(46)
    with a.raw_socket("eth1") as sender, b.raw_socket("eth1") as receiver:
        sender.send(frame)
        assert receiver.recv(2048) == frame


def test_hosts_have_the_macs_they_promise(two_hosts: tuple[Host, Host]) -> None:
    """Host a has MAC_A, host b has MAC_B."""
    assert [host.mac("eth1") for host in two_hosts] == [MAC_A, MAC_B]


def test_the_test_process_stays_at_home(lone_host: Host) -> None:
    """Entering a host leaves the thread in its own network afterwards, after an error too."""
    here = Path("/proc/thread-self/ns/net").readlink()
    with pytest.raises(OSError, match="No such device"):
        lone_host.raw_socket("eth1")
    assert Path("/proc/thread-self/ns/net").readlink() == here


def test_lone_host_has_only_a_loopback(lone_host: Host) -> None:
    """A lone host hears itself on `lo` and has no other device that is up."""
    with lone_host.raw_socket("lo") as raw:
        raw.send(bytes(14))
        assert raw.recv(2048) == bytes(14)
    assert lone_host.run("ip", "-brief", "link", "show", "up").stdout.split()[0] == "lo"


def test_a_closed_host_leaves_nothing(root: None) -> None:
    """Closing a host ends what runs in it and removes its name."""
    host = Host()
    child = host.popen("cat", stdin=subprocess.PIPE)
    wait_for(lambda: host.run("ip", "netns", "pids", host.name).stdout, "the child in the host")
    host.close()
    assert child.returncode
    assert not Path("/run/netns", host.name).exists()


def test_waiting_in_vain_tells_the_last_value() -> None:
    """The error says what was waited for and what was there instead."""
    with pytest.raises(AssertionError, match=r"for the answer; last value: \[\]"):
        wait_for(list, "the answer", timeout=0)


def test_a_daemon_tells_how_it_fares(lone_host: Host, daemon: StartDaemon) -> None:
    """A daemon is ready, answers its control tool, stops with 0, and can be started again."""
    started = daemon(lone_host, '[echo]\ninterface = "lo"\n')
    assert started.notified("READY=1")
    assert started.listener()["interface"] == "lo"
    assert started.stop() == 0
    assert started.notified("STOPPING=1")
    started.restart()
    assert not started.notified("STOPPING=1")
    assert started.status()["pid"] == started.process.pid


def test_the_control_tool_runs_as_another_user(lone_host: Host, daemon: StartDaemon) -> None:
    """The daemon sees the user and the groups that the test chose."""
    started = daemon(lone_host, '[control]\noperators = ["@daemon"]\n')
    group = grp.getgrnam("daemon").gr_gid
    assert started.ctl("reload", uid=4321).returncode == 4
    assert started.ctl("reload", uid=4321, groups=[group]).returncode == 0


def test_a_daemon_that_ends_early_shows_why(lone_host: Host, daemon: StartDaemon) -> None:
    """Waiting for a daemon that refuses its configuration ends at once, with what it said."""
    with pytest.raises(AssertionError, match=r"ended with 78:(.|\n)*log.level"):
        daemon(lone_host, '[log]\nlevel = "loud"\n')
