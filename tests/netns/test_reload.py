"""Reload: all of a good file, nothing of a bad one."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, join, wait_for
from tests.netns.client import Probing, stopped
from tests.netns.conftest import Responder, table
from tests.netns.frames import EX1, EX2, PAE, Pdu, parse, request
from tests.netns.port import Port
from tests.netns.test_link import ask
from tests.netns.test_probe import assert_clean

MANY_DIGITS = f"[probe]\ncount = 0x{'F' * 6000}\n"
"""What Python does not write as a decimal number."""
BAD = 'interface = "eth1"\n[[echo]]\nethertype = "ETH_P_PEA"\n[probe]\ncount = "many"\n'


@pytest.fixture
def ours(responder: Responder) -> Daemon:
    """The daemon in host b, with a listener for 0x88B5 and one for 0x888E."""
    made = responder(ethertype="ETH_P_802_EX1")
    assert made.reload(table(ethertype="ETH_P_802_EX1") + table(ethertype="ETH_P_PAE")).returncode == 0
    return made


def replied(ours: Daemon) -> list[int]:
    """Answers so far, a listener."""
    return [listener["replied"] for listener in ours.status()["listeners"]]


def test_unchanged_listeners_go_on(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """With their counters and sessions; a changed one begins anew, in the file's order."""
    a, _ = two_hosts
    assert [ask(a), ask(a), ask(a, ethertype=PAE)] == [MAC_B] * 3
    assert replied(ours) == [2, 1]
    changed = table(ethertype="ETH_P_PAE", rate_limit=7) + table(ethertype="ETH_P_802_EX1")
    assert ours.reload(changed).returncode == 0
    assert replied(ours) == [0, 2]
    assert [ask(a), ask(a, ethertype=PAE)] == [MAC_B] * 2
    assert replied(ours) == [1, 3]
    assert ours.objects("config")[0]["config"]["echo"][0]["rate_limit"] == 7


def test_removed_listeners_fall_silent(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """And new ones answer: here ETH_P_ALL in the place of two that would have overlapped with it."""
    a, b = two_hosts
    assert ours.reload(table(ethertype="ETH_P_802_EX1")).returncode == 0
    assert replied(ours) == [0]
    assert ours.reload(table(ethertype="ETH_P_ALL")).returncode == 0
    for ethertype in (EX1, EX2, PAE):
        assert ask(a, ethertype=ethertype) == MAC_B
    assert replied(ours) == [3]
    assert ours.reload("echo = []\n").returncode == 0
    assert ours.status()["listeners"] == []
    sockets = b.run("cat", "/proc/net/packet").stdout.splitlines()[1:]
    assert sockets == []


def test_bad_file_changes_nothing(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """Exit status 5 and every problem; the old configuration answers on, and systemd is told."""
    a, _ = two_hosts
    old = ours.objects("config")
    assert ask(a) == MAC_B
    result = ours.reload(BAD)
    assert result.returncode == 5
    problems = ("interface: unknown table", "echo[0].ethertype", "probe.count")
    assert all(problem in result.stderr for problem in problems), result.stderr
    assert ours.objects("config") == old
    assert ask(a) == MAC_B
    assert replied(ours) == [2, 0]
    assert any(line.startswith("STATUS=old configuration kept: ") for line in ours.notify.lines)
    assert ours.notify.lines.count("RELOADING=1") == 2
    assert ours.notify.lines.count("READY=1") == 3
    wait_for(lambda: "Old configuration kept" in ours.stderr, "the journal's line")


def test_file_that_is_gone_or_no_toml(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """The same."""
    for text in ("[[echo]", "\0", "interface"):
        assert ours.reload(text).returncode == 5
    ours.config.unlink()
    assert ours.ctl("reload").returncode == 5
    assert ask(two_hosts[0]) == MAC_B


def test_sighup(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """Reloads as well; a bad file is refused and the daemon lives."""
    ours.config.write_text(table(ethertype="ETH_P_ALL"))
    ours.signal(signal.SIGHUP)
    wait_for(lambda: len(ours.status()["listeners"]) == 1, "the new configuration")
    ours.config.write_text(BAD)
    ours.signal(signal.SIGHUP)
    wait_for(lambda: "Old configuration kept" in ours.stderr, "the refusal")
    assert ask(two_hosts[0], ethertype=EX2) == MAC_B


def test_reload_while_frames_come(two_hosts: tuple[Host, Host], daemon: StartDaemon, ours: Daemon) -> None:
    """A listener that did not change loses none of them."""
    prober = daemon(two_hosts[0], table())
    run = Probing(prober, "-c", "300", "-i", "2ms", "-W", "5s", MAC_B)
    run.event("reply")
    for rate in (1, 2, 3):
        changed = table(ethertype="ETH_P_802_EX1") + table(ethertype="ETH_P_PAE", rate_limit=rate)
        assert ours.reload(changed).returncode == 0
    assert_clean(run.summary(), 300)
    assert run.wait() == 0


def test_interface_of_the_new_file_is_missing(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """That is no error: it waits as absent, and follows."""
    a, b = two_hosts
    assert ours.reload(table("eth5")).returncode == 0
    assert ours.listener()["state"] == "absent"
    join(a, b, "eth5", ("02:00:00:00:05:0a", "02:00:00:00:05:0b"))
    wait_for(lambda: ours.listener()["state"] == "up", "the new interface")
    assert ask(a, "02:00:00:00:05:0b", interface="eth5") == "02:00:00:00:05:0b"


def test_probe_settings_follow(two_hosts: tuple[Host, Host], daemon: StartDaemon, ours: Daemon) -> None:
    """`[probe]` is the next probe's."""
    prober = daemon(two_hosts[0], table())
    wishes = f'[probe]\ntarget = "{MAC_B}"\ncount = 4\ninterval = "5ms"\nethertype = "ETH_P_PAE"\n'
    assert prober.reload(table() + wishes).returncode == 0
    summary = prober.probe()
    assert_clean(summary, 4)
    assert summary["ethertype"] == "ETH_P_PAE"


def test_number_of_many_digits(two_hosts: tuple[Host, Host], ours: Daemon) -> None:
    """It is refused as any wrong value; the service is not reloading for ever, and takes the next file."""
    assert ours.reload(MANY_DIGITS).returncode == 5
    counts = {"RELOADING=1": 2, "READY=1": 3}
    wait_for(lambda: {line: ours.notify.lines.count(line) for line in counts} == counts, "READY=1 again")
    ours.signal(signal.SIGHUP)
    wait_for(lambda: ours.notify.lines.count("READY=1") == 4, "the end of the second reload")
    assert ask(two_hosts[0]) == MAC_B
    assert ours.reload(table(ethertype="ETH_P_ALL")).returncode == 0
    assert "a number of thousands of digits" in ours.stderr


class Directory:
    """The system's groups, as a daemon in a namespace of its own sees them, while nobody answers."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._fifo = daemon.directory / "group"
        os.mkfifo(self._fifo)
        self._mount("mount", "--bind", str(self._fifo), "/etc/group")

    def _mount(self, *command: str) -> None:
        subprocess.run(["nsenter", f"--target={self._daemon.process.pid}", "--mount", *command], check=True)

    def reader(self) -> int:
        """The process that looks something up, once it is there."""
        path = Path(f"/proc/{self._daemon.process.pid}/task/{self._daemon.process.pid}/children")
        return int(wait_for(lambda: path.read_text().strip(), "the daemon's child", timeout=30))

    def answer(self) -> None:
        """From now on; who waits goes on waiting."""
        self._mount("umount", "/etc/group")


@pytest.fixture
def directory(ours: Daemon) -> Directory:
    """It hangs from the start."""
    return Directory(ours)


def reloading(ours: Daemon, config: str) -> subprocess.Popen[str]:
    """A caller that waits for the outcome of a reload which has begun."""
    before = ours.notify.lines.count("RELOADING=1")
    ours.config.write_text(config)
    caller = ours.ctl_popen("reload")
    wait_for(lambda: ours.notify.lines.count("RELOADING=1") > before, "the reload", timeout=30)
    return caller


def test_directory_that_does_not_answer(two_hosts: tuple[Host, Host], ours: Daemon, directory: Directory) -> None:
    """Frames and calls are answered all the time, and the reload fails with a sentence after a while."""
    with reloading(ours, table() + '[control]\noperators = ["@wheel"]\n') as caller:
        directory.reader()
        assert ask(two_hosts[0]) == MAC_B
        assert len(ours.status()["listeners"]) == 2
        assert caller.poll() is None
        _, stderr = caller.communicate(timeout=60)
    assert caller.returncode == 5
    assert "it took longer than 15 s to read it and to look its operators up" in stderr
    wait_for(lambda: ours.notify.lines.count("READY=1") == 3, "the service manager to be told")
    directory.answer()
    assert ours.reload(table()).returncode == 0


def test_who_asks_meanwhile_gets_the_next_reload(ours: Daemon, directory: Directory) -> None:
    """The first one fails, for its child is killed; the second reads the file as it is by then."""
    before = _descriptors(ours)
    with reloading(ours, table("eth5")) as first:
        child = directory.reader()
        second = ours.ctl_popen("reload")
        wait_for(lambda: _descriptors(ours) == before + 3, "two connections, and the pipe to the child")
        ours.config.write_text(table(rate_limit=7))
        directory.answer()
        os.kill(child, signal.SIGKILL)
        with second:
            assert (first.wait(60), second.wait(60)) == (5, 0)
    assert "the process that reads it failed" in ours.stderr
    assert ours.objects("config")[0]["config"]["echo"][0]["rate_limit"] == 7


def test_caller_that_does_not_wait(ours: Daemon, directory: Directory) -> None:
    """Its connection is closed at once, and the reload goes on."""
    before = _descriptors(ours)
    with reloading(ours, table("eth5")) as caller:
        child = directory.reader()
        caller.kill()
    # What is left is the pipe to the child.
    wait_for(lambda: _descriptors(ours) == before + 1, "the connection's end")
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: ours.notify.lines.count("READY=1") == 3, "the end of the reload")


def _descriptors(ours: Daemon) -> int:
    """Open ones of the daemon's, its callers' connections among them."""
    return len(list(Path(f"/proc/{ours.process.pid}/fd").iterdir()))


def test_sessions_survive_other_settings(responder: Responder, near: Port) -> None:
    """Other limits, a list of sources, and back: a probe under way counts on."""
    ours = responder()
    changes: list[dict[str, Any]] = [{"rate_limit": 5000}, {"allow": [MAC_A]}, {"tap": "all"}, {}]
    for count in range(1, 6):
        (reply,) = near.answers(request(pdu=Pdu(seq=count)))
        assert (parse(reply).pdu.responder_seq, parse(reply).pdu.window) == (count, (1 << count) - 1)
        if changes:
            assert ours.reload(table(**changes.pop())).returncode == 0
    assert ours.listener()["received"] == 2


def test_queued_frames_are_served_before_the_buffers_change(
    two_hosts: tuple[Host, Host], responder: Responder, near: Port
) -> None:
    """Another MTU means another socket: what waits in the old one is answered first."""
    ours = responder(rate_limit=0, peer_rate_limit=0)
    for mtu in ("9000", "2000", "1500"):
        before = ours.listener()["replied"]
        with stopped(ours):
            near.send(*[request(pdu=Pdu(seq=seq)) for seq in range(500)])
            two_hosts[1].ip("link", "set", "eth1", "mtu", mtu)
        wait_for(lambda mtu=mtu: ours.listener()["mtu"] == int(mtu), "the new MTU")  # type: ignore[misc]
        assert ours.listener()["replied"] == before + 500
