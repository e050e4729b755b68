"""The kernel engine under the shipped unit: with its drop-in, and without."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab import MAC_A, StartDaemon, wait_for
from tests.systemd.conftest import CONFIG
from tests.systemd.machine import Service

EXPOSURE = 1.5
DROP_IN = "/etc/systemd/system/rawechod.service.d/ebpf.conf"
PEER = CONFIG.replace("[[echo]]", '[[echo]]\nengine = "epoll"')
IN_THE_KERNEL = CONFIG.replace("[[echo]]", '[[echo]]\nengine = "ebpf"')


@pytest.fixture
def privileged(stopped: Service) -> Iterator[Service]:
    """The service with the drop-in, installed as its first lines say, and started."""
    machine = stopped.machine
    text = (machine.root / "usr/share/rawecho/ebpf.conf").read_text()
    commands = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    stopped.configure(IN_THE_KERNEL)
    machine.run("sh", "-ec", "\n".join(commands))
    yield stopped
    (machine.root / DROP_IN.lstrip("/")).unlink()
    machine.run("systemctl", "daemon-reload")


def programs(service: Service) -> str:
    """What `ip link` says of XDP programs on the cable's end."""
    shown = service.machine.run("ip", "-details", "link", "show", "eth1").stdout
    return " ".join(re.findall(r"xdp\w*|prog/xdp id \d+", shown))


def test_it_answers_in_the_kernel(privileged: Service, daemon: StartDaemon) -> None:
    """Probes are answered by the program, which is there for everybody to see, and counted by the daemon."""
    peer = daemon(privileged.machine.peer, PEER)
    summary = peer.probe(MAC_A, "--count", "10")
    listener = privileged.listener()
    assert (summary["received"], listener["replied"], listener["engine"]) == (10, 10, "ebpf")
    assert listener["notes"] == []
    assert "xdpgeneric" in programs(privileged)


def test_native_mode_is_given_up_where_answers_never_leave(privileged: Service, daemon: StartDaemon) -> None:
    """The unit may ask the driver: the peer of this veth has no program."""
    privileged.configure(IN_THE_KERNEL.replace("[[echo]]", '[[echo]]\nxdp = "native"'))
    privileged.systemctl("restart")
    assert privileged.listener()["xdp"] == "native (on trial)"
    peer = daemon(privileged.machine.peer, PEER)
    assert peer.probe(MAC_A, "--count", "1", "--timeout", "100ms")["received"] == 0
    [told] = wait_for(lambda: privileged.events("xdp_fallback"), "the journal to tell")
    assert (told["RAWECHO_INTERFACE"], told["PRIORITY"]) == ("eth1", "4")
    assert peer.probe(MAC_A, "--count", "3", "--interval", "10ms")["received"] == 3


def test_it_is_watched_while_it_answers(privileged: Service, daemon: StartDaemon) -> None:
    """The unit lets the daemon read what the program tells; nothing changes by that."""
    peer = daemon(privileged.machine.peer, PEER)
    with subprocess.Popen(
        [*privileged.machine.inside, "rawechoctl", "--json=short", "trace"], stdout=subprocess.PIPE, text=True
    ) as trace:
        assert trace.stdout
        assert json.loads(trace.stdout.readline())["event"] == "start"
        assert peer.probe(MAC_A, "--count", "10", "--interval", "10ms")["received"] == 10
        told = [json.loads(trace.stdout.readline()) for _ in range(10)]
        assert privileged.listener()["engine"] == "ebpf"
        trace.kill()
    assert {one["decision"] for one in told} == {"replied"}


@pytest.fixture
def not_restarted(privileged: Service) -> Iterator[Service]:
    """The same without systemd's own restart, so that there is time to look."""
    machine = privileged.machine
    drop_in = machine.root / "run/systemd/system/rawechod.service.d/once.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nRestart=no\n")
    machine.run("systemctl", "daemon-reload")
    yield privileged
    drop_in.unlink()
    machine.run("systemctl", "daemon-reload")


def test_a_killed_daemon_leaves_no_program_behind(not_restarted: Service) -> None:
    """The kernel takes it away with its process, and the next daemon attaches its own."""
    service = not_restarted
    assert programs(service)
    service.systemctl("kill", "--kill-whom=main", "--signal=KILL")
    wait_for(lambda: service.show("ActiveState") == "failed", "the daemon's end")
    wait_for(lambda: not programs(service), "the program's end")
    service.systemctl("start")
    assert service.listener()["engine"] == "ebpf"
    assert programs(service)


def test_the_drop_in_costs_little(privileged: Service) -> None:
    """`systemd-analyze security` rates the unit with it as its first lines say."""
    report = privileged.machine.run("systemd-analyze", "security", "--no-pager", privileged.UNIT).stdout
    figure = re.search(r"Overall exposure level for rawechod.service: ([0-9.]+)", report)
    assert figure
    assert float(figure[1]) <= EXPOSURE, report
    assert f"says {EXPOSURE} " in (privileged.machine.root / "usr/share/rawecho/ebpf.conf").read_text()


def test_without_the_drop_in_it_falls_back(stopped: Service, daemon: StartDaemon) -> None:
    """The epoll engine answers; status and journal name it, and say what is missing."""
    stopped.configure(IN_THE_KERNEL)
    stopped.systemctl("start")
    peer = daemon(stopped.machine.peer, PEER)
    assert peer.probe(MAC_A, "--count", "3")["received"] == 3
    listener = stopped.listener()
    assert listener["engine"] == "epoll"
    assert "CAP_BPF" in listener["notes"][0]
    [told] = wait_for(lambda: stopped.events("engine_fallback"), "the journal to tell")
    assert (told["RAWECHO_ENGINE"], told["PRIORITY"]) == ("epoll", "4")
    assert "CAP_BPF" in told["RAWECHO_PROBLEM"]


def test_auto_says_nothing_of_what_is_not_permitted(service: Service) -> None:
    """That is what it is for."""
    assert (service.listener()["engine"], service.listener()["notes"]) == ("epoll", [])
    assert service.events("engine_fallback") == []
