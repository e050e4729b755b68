"""A listener follows its interface, whatever becomes of it; nothing is restarted."""

from __future__ import annotations

import subprocess

import pytest

from tests.lab import MAC_B, Daemon, Host, StartDaemon, join, wait_for
from tests.netns.client import stopped
from tests.netns.conftest import ENGINES, Responder, table
from tests.netns.frames import BROADCAST, EX1, PAE, PAE_GROUP, parse, request
from tests.netns.port import port

NEW_MAC = "02:00:00:00:00:0c"


def ask(host: Host, dst: str = MAC_B, ethertype: int = EX1, size: int = 60, interface: str = "eth1") -> str:
    """Send one request from a host; who answered it."""
    asked = request(dst=dst, ethertype=ethertype, size=size)
    with port(host, interface) as near:
        near.send(asked)
        reply = near.receive()
    assert len(reply) == len(asked)
    return parse(reply).src


def wait_state(ours: Daemon, state: str) -> None:
    """Wait until the listener shows a state."""
    wait_for(lambda: ours.listener()["state"] == state, f"state {state}")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("end", [0, 1], ids=["far", "own"])
def test_down_and_up(two_hosts: tuple[Host, Host], responder: Responder, end: int) -> None:
    """The interface itself, or the cable's other end: state, journal and counters tell, and it answers again."""
    ours = responder()
    assert ask(two_hosts[0]) == MAC_B
    for rounds in (1, 2):
        two_hosts[end].ip("link", "set", "eth1", "down")
        wait_state(ours, "down")
        two_hosts[end].ip("link", "set", "eth1", "up")
        wait_state(ours, "up")
        assert ask(two_hosts[0]) == MAC_B
        assert ours.listener()["replied"] == rounds + 1
    wait_for(lambda: ours.stderr.count("eth1: down, nothing is answered") == 2, "the journal's lines")
    assert ours.stderr.count("eth1: answering") == 3


def test_first_reply_after_up_is_sent(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """The stale ENETDOWN of before is no transmit error."""
    ours = responder()
    two_hosts[1].ip("link", "set", "eth1", "down")
    two_hosts[1].ip("link", "set", "eth1", "up")
    wait_for(lambda: ours.listener()["state"] == "up", "up")
    assert ask(two_hosts[0]) == MAC_B
    assert ours.listener()["transmit_errors"] == {}


def test_altname(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Whoever configures one is told the name that is wanted, in the journal, by status and by a probe."""
    told = "enp1s0 is an altname of eth1: configure that name instead"
    two_hosts[1].ip("link", "property", "add", "dev", "eth1", "altname", "other", "altname", "enp1s0")
    ours = daemon(two_hosts[1], table("enp1s0"))
    assert (ours.listener()["state"], ours.listener()["notes"]) == ("absent", [told])
    wait_for(lambda: f"enp1s0: there is no such interface; waiting for it ({told})" in ours.stderr, "the journal")
    assert ours.ctl("probe").stderr == f"rawechoctl: {told}\n"
    two_hosts[1].ip("link", "property", "del", "dev", "eth1", "altname", "enp1s0")
    wait_for(lambda: ours.listener()["notes"] == [], "the altname to be gone")
    two_hosts[1].ip("link", "set", "eth1", "name", "enp1s0")
    wait_state(ours, "up")
    assert ask(two_hosts[0]) == MAC_B


@pytest.mark.parametrize("engine", ENGINES)
def test_deleted_and_made_again(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """Absent, then a new interface of the same name: answered, group included, and the counters go on."""
    a, b = two_hosts
    ours = responder(ethertype="ETH_P_PAE")
    assert ask(a, ethertype=PAE) == MAC_B
    before = ours.listener()["ifindex"]
    b.ip("link", "del", "eth1")
    wait_state(ours, "absent")
    assert (ours.listener()["ifindex"], ours.listener()["mac"]) == (None, None)
    # Something takes the old index's place in the order, so that the new one differs.
    b.ip("link", "add", "filler", "type", "bridge")
    join(a, b, macs=("02:00:00:00:00:0a", NEW_MAC))
    wait_state(ours, "up")
    listener = ours.listener()
    assert (listener["mac"], listener["replied"]) == (NEW_MAC, 1)
    assert listener["ifindex"] != before
    for dst in (NEW_MAC, PAE_GROUP, BROADCAST):
        assert ask(a, dst, PAE) == NEW_MAC
    assert ours.listener()["replied"] == 4


@pytest.mark.parametrize("ethertype", ["ETH_P_ALL", "ETH_P_PAE"])
def test_group_membership_on_a_macvlan(two_hosts: tuple[Host, Host], responder: Responder, ethertype: str) -> None:
    """A macvlan passes only groups that were joined: joined at the start, and again after it was re-made."""
    a, b = two_hosts

    def make() -> str:
        b.ip("link", "add", "macvlan1", "link", "eth1", "type", "macvlan", "mode", "bridge")
        b.ip("link", "set", "macvlan1", "up")
        return b.mac("macvlan1")

    mac = make()
    ours = responder(interface="macvlan1", ethertype=ethertype)
    for _ in range(2):
        wait_state(ours, "up")
        for dst in (PAE_GROUP, BROADCAST, mac):
            assert ask(a, dst, PAE) == mac
        b.ip("link", "del", "macvlan1")
        wait_state(ours, "absent")
        mac = make()


@pytest.mark.parametrize("engine", ENGINES)
def test_renamed_away_and_back(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """Under another name it is another interface: not answered there. The journal says what it is called."""
    a, b = two_hosts
    ours = responder()
    b.ip("link", "set", "eth1", "name", "other")
    wait_state(ours, "absent")
    wait_for(lambda: "(it is called other now)" in ours.stderr, "the hint")
    received = ours.listener()["received"]
    with port(a) as near:
        near.send(request())
        b.ip("link", "set", "other", "name", "eth1")
        wait_state(ours, "up")
        assert near.settle() == []
    assert ours.listener()["received"] == received + 1


@pytest.mark.parametrize("engine", ENGINES)
def test_another_interface_takes_the_name(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """The name in the configuration is what counts."""
    a, b = two_hosts
    ours = responder()
    b.ip("link", "set", "eth1", "name", "old1")
    join(a, b, "eth2", ("02:00:00:00:02:0a", "02:00:00:00:02:0b"))
    b.ip("link", "set", "eth2", "name", "eth1")
    wait_for(lambda: ours.listener()["mac"] == "02:00:00:00:02:0b", "the new interface's MAC")
    assert ask(a, "02:00:00:00:02:0b", interface="eth2") == "02:00:00:00:02:0b"
    with port(a) as near:
        near.send(request())
        b.ip("link", "set", "eth1", "name", "eth2")
        b.ip("link", "set", "old1", "name", "eth1")
        wait_for(lambda: ours.listener()["mac"] == MAC_B, "the old interface back")
        assert near.settle() == []


def test_two_interfaces_swap_names(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """While the daemon looks away: each listener ends up where its name is now."""
    a, b = two_hosts
    join(a, b, "eth2", ("02:00:00:00:02:0a", "02:00:00:00:02:0b"))
    ours = daemon(b, table("eth1") + table("eth2", ethertype="ETH_P_PAE"))
    with stopped(ours):
        for old, new in (("eth1", "swap"), ("eth2", "eth1"), ("swap", "eth2")):
            b.ip("link", "set", old, "name", new)
    macs = ["02:00:00:00:02:0b", MAC_B]
    wait_for(lambda: [listener["mac"] for listener in ours.status()["listeners"]] == macs, "the swapped MACs")
    assert ask(a, BROADCAST, interface="eth2") == macs[0]
    assert ask(a, BROADCAST, PAE) == macs[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_mac_changed(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """The new MAC is answered, and from it; the old one is not ours any more."""
    a, b = two_hosts
    ours = responder(ethertype="ETH_P_802_EX1", tap="all")
    b.ip("link", "set", "eth1", "address", NEW_MAC)
    wait_for(lambda: ours.listener()["mac"] == NEW_MAC, "the new MAC")
    with port(a) as near:
        near.send(request(), request(src=NEW_MAC), request(dst=NEW_MAC))
        assert parse(near.receive()).src == NEW_MAC
    assert ours.listener()["dropped"] == {"not_for_us": 1, "own_frame": 1}
    assert ask(a, BROADCAST) == NEW_MAC
    assert f"eth1: now {NEW_MAC}, MTU 1500" in ours.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_mtu_changed(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """Raised: jumbo frames are answered. Lowered: what does not fit any more is counted as too long."""
    a, _ = two_hosts
    ours = responder()
    for mtu in (9000, 1200):
        for host in two_hosts:
            host.ip("link", "set", "eth1", "mtu", str(mtu))
        wait_for(lambda mtu=mtu: ours.listener()["mtu"] == mtu, f"MTU {mtu}")  # type: ignore[misc]
        assert ask(a, size=mtu + 14) == MAC_B
    a.ip("link", "set", "eth1", "mtu", "1300")
    with port(a) as near:
        assert near.answers(request(size=1215)) == []
    assert ours.listener()["dropped"] == {"too_long": 1}


def move(source: Host, target: Host) -> None:
    """Carry eth1 to another host and back; moving takes it down."""
    source.ip("link", "set", "eth1", "netns", target.name)
    target.ip("link", "set", "eth1", "netns", source.name)
    source.ip("link", "set", "eth1", "up")


@pytest.mark.parametrize("engine", ENGINES)
def test_moved_to_another_namespace_and_back(
    two_hosts: tuple[Host, Host], lone_host: Host, responder: Responder
) -> None:
    """Absent while it is away; answered again when it is back and up."""
    a, b = two_hosts
    ours = responder()
    b.ip("link", "set", "eth1", "netns", lone_host.name)
    wait_state(ours, "absent")
    lone_host.ip("link", "set", "eth1", "netns", b.name)
    wait_state(ours, "down")
    b.ip("link", "set", "eth1", "up")
    wait_state(ours, "up")
    assert ask(a) == MAC_B


def test_moved_and_back_between_two_looks(
    two_hosts: tuple[Host, Host], lone_host: Host, responder: Responder
) -> None:
    """The interface comes back with the same index and looks the same, but sockets of before are dead."""
    a, b = two_hosts
    ours = responder()
    before = ours.listener()["ifindex"]
    with stopped(ours):
        move(b, lone_host)
    # It reads about links before it reads this question, which came later.
    listener = ours.listener()
    assert (listener["ifindex"], listener["state"]) == (before, "up")
    assert ask(a) == MAC_B


def test_more_changes_than_the_kernel_keeps(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """Messages about links are lost when they come too fast: the daemon asks anew and is right in the end."""
    a, b = two_hosts
    ours = responder()
    changes = [f"link set eth1 mtu {1300 + number % 2}" for number in range(3000)]
    lines = "\n".join([*changes, f"link set eth1 mtu 1400 address {NEW_MAC}"])
    command = ["ip", "-netns", b.name, "-batch", "-"]
    with stopped(ours):
        subprocess.run(command, input=lines, text=True, check=True)
    netlink = [line.split() for line in b.run("cat", "/proc/net/netlink").stdout.splitlines()[1:]]
    assert any(int(fields[8]) > 0 for fields in netlink), "nothing was lost: not the case to try"
    wait_for(lambda: ours.listener()["mtu"] == 1400, "the last change")
    assert ask(a, NEW_MAC) == NEW_MAC
