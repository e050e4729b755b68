"""The installed service on Debian's own kernels: what its drop-in grants is enough, and frames come back whole."""

from __future__ import annotations

import json

from rawechoctl.findings import UNALTERED
from rawechod.echo.listener import VLANS_HIDDEN
from tests.machines.computer import Computer
from tests.machines.guest import NEAR


def test_the_kernel_engine_loads(computer: Computer) -> None:
    """With the capabilities of the drop-in alone, and answers, untagged and tagged."""
    listener = computer.configure(engine="ebpf", xdp="generic", promiscuous=True)
    assert (listener["engine"], listener["xdp"], listener["notes"]) == ("ebpf", "generic", [])
    assert computer.probe()["received"] == 5
    assert computer.probe("--vlan", "100", "--pcp", "5")["received"] == 5
    listener = computer.listener()
    assert (listener["engine"], listener["replied"], listener["dropped"]) == ("ebpf", 10, {})


def test_everything_passes(computer: Computer) -> None:
    """Whichever EtherType, VLAN, priority, size."""
    [found] = computer.objects("survey", NEAR, far=True)
    assert found["findings"][0] == UNALTERED, found


def test_it_is_watched_while_it_answers(computer: Computer) -> None:
    """The unit lets the daemon read what the program tells."""
    computer.guest.run("rawechoctl --json=short trace --count 5 >/run/lab/trace 2>&1 & sleep 3")
    assert computer.probe()["received"] == 5
    computer.guest.run("wait; for _ in $(seq 100); do grep -q end /run/lab/trace && break; sleep 0.2; done")
    told = [json.loads(line) for line in computer.guest.run("cat /run/lab/trace").splitlines()]
    assert [one.get("decision") for one in told if one["event"] == "frame"] == ["replied"] * 5
    assert computer.listener()["engine"] == "ebpf"


def test_native_mode(computer: Computer) -> None:
    """virtio_net runs the program itself; `auto` tries that, and its answers prove it."""
    computer.configure(engine="auto", promiscuous=True)
    assert computer.probe()["received"] == 5
    listener = computer.wait(lambda listener: listener["xdp"] == "native", "native mode")
    assert computer.probe("--vlan", "100.200")["received"] == 5
    assert (listener["engine"], listener["notes"], listener["dropped"]) == ("ebpf", [], {})


def test_a_filter_for_vlans(computer: Computer) -> None:
    """virtio_net has one: the socket answers alike, but tagged requests reach it in promiscuous mode alone."""
    listener = computer.configure(engine="epoll")
    assert (listener["engine"], listener["notes"]) == ("epoll", [VLANS_HIDDEN])
    assert computer.probe("--count", "1", "--vlan", "100", "--pcp", "5")["received"] == 0
    assert computer.probe()["received"] == 5
