"""What real drivers say of themselves."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from rawechod.driver import SIOCETHTOOL, Driver
from tests.lab import Host
from tests.netns.frames import request
from tests.netns.port import Port

ETHTOOL_SFLAGS = 0x26
ETH_FLAG_TXVLAN = 1 << 7
Ask = Callable[[str], Driver]


@pytest.fixture
def ask(two_hosts: tuple[Host, Host]) -> Iterator[Ask]:
    """The driver of one of host b's interfaces; this thread is elsewhere when it is asked."""
    made: list[Driver] = []

    def driver(interface: str) -> Driver:
        with two_hosts[1].entered():
            made.append(Driver(socket.if_nametoindex(interface)))
        return made[-1]

    yield driver
    for each in made:
        each.close()


def test_veth(two_hosts: tuple[Host, Host], near: Port, ask: Ask) -> None:
    """Its name, its counters, and the frames that it has sent, whatever the interface is called."""
    veth = ask("eth1")
    two_hosts[1].ip("link", "set", "eth1", "name", "other")
    assert (veth.name, veth.interface, veth.takes_tags) == ("veth", "other", True)
    before = veth.tx_packets()
    with two_hosts[1].raw_socket("other") as sender:
        sender.send(request())
    near.receive()
    assert veth.tx_packets() == before + 1
    assert veth.counters()["rx_queue_0_xdp_tx_errors"] == 0


def test_s_tags_alone_are_taken_out(two_hosts: tuple[Host, Host], ask: Ask) -> None:
    """After `ethtool -K eth1 rxvlan off`, which is about C-tags."""
    value = array.array("B", struct.pack("=II", ETHTOOL_SFLAGS, ETH_FLAG_TXVLAN))
    with two_hosts[1].entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        fcntl.ioctl(door, SIOCETHTOOL, struct.pack("=16sQ16x", b"eth1", value.buffer_info()[0]))
    assert ask("eth1").takes_tags


def test_no_counters_of_its_own(ask: Ask) -> None:
    """The loopback device has but the kernel's."""
    assert (ask("lo").counters(), ask("lo").takes_tags) == ({}, False)


def test_gone(two_hosts: tuple[Host, Host], ask: Ask) -> None:
    """Each question says so."""
    veth = ask("eth1")
    two_hosts[1].ip("link", "del", "eth1")
    questions: list[Callable[[], object]] = [veth.tx_packets, veth.counters, lambda: veth.name]
    questions += [lambda: veth.takes_tags, lambda: veth.interface]
    for question in questions:
        with pytest.raises(OSError) as caught:  # noqa: PT011
            question()
        assert caught.value.errno == errno.ENODEV
