"""What the kernel says of interfaces, as it said it once, and as it says it now."""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
from dataclasses import replace

import pytest

from rawechod.link import Link, LinkMonitor, decode_link
from tests.lab import Host, wait_for
from tests.unit.links import MESSAGES

BRIDGE = Link(2, "br0", bytes.fromhex("0200000000b0"), 1500, True, False, True, kind="bridge")
PORT = Link(3, "eth2", bytes.fromhex("02000000000b"), 1500, True, False, True, 2, "veth", "bridge")
VETH = Link(4, "eth1", bytes.fromhex("02000000000a"), 1500, True, False, True, kind="veth")
MACVLAN = Link(5, "mv0", bytes.fromhex("02000000000c"), 1400, False, False, True, kind="macvlan")
LO = Link(1, "lo", bytes(6), 65536, True, True, True)
LINKS = [LO, BRIDGE, PORT, VETH, MACVLAN, None]


@pytest.mark.parametrize(("name", "link"), list(zip(MESSAGES, LINKS, strict=True)), ids=MESSAGES)
def test_captured(name: str, link: Link | None) -> None:
    """Name, MAC, MTU, state, kind and master; what a bridge says of its port is about something else."""
    assert decode_link(MESSAGES[name]) == link


def _changed(name: str, flags: int | None = None, device_type: int | None = None) -> Link:
    """A captured message with other flags or another type of device."""
    body = bytearray(MESSAGES[name])
    if flags is not None:
        struct.pack_into("=I", body, 8, flags)
    if device_type is not None:
        struct.pack_into("=H", body, 2, device_type)
    link = decode_link(bytes(body))
    assert link is not None
    return link


@pytest.mark.parametrize(("flags", "up"), [(0x11043, True), (0x1043, False), (0x11042, False), (0x1042, False)])
def test_up_means_with_a_carrier(flags: int, up: bool) -> None:
    """IFF_UP alone is an interface without a cable."""
    assert _changed("veth", flags=flags) == replace(VETH, up=up)


@pytest.mark.parametrize(("device_type", "ethernet"), [(1, True), (772, True), (768, False), (65534, False)])
def test_device_types(device_type: int, ethernet: bool) -> None:
    """Ethernet and loopback speak Ethernet; tunnels (IPIP, none at all) don't."""
    assert _changed("veth", device_type=device_type).ethernet is ethernet


def _without(name: str, dropped: int) -> Link:
    """A captured message without one attribute."""
    body = MESSAGES[name]
    kept, rest = body[:16], body[16:]
    while rest:
        length, kind = struct.unpack_from("=HH", rest)
        padded = (length + 3) & ~3
        kept += rest[:padded] if kind & 0x3FFF != dropped else b""
        rest = rest[padded:]
    link = decode_link(kept)
    assert link is not None
    return link


@pytest.mark.parametrize(
    ("attribute", "change"),
    [(1, {"mac": b"", "ethernet": False}), (4, {"mtu": 0}), (18, {"kind": ""}), (3, {"name": ""})],
)
def test_missing_attributes(attribute: int, change: dict[str, bytes | int | str]) -> None:
    """A message without address, MTU, kind or name is no reason to fail."""
    assert _without("veth", attribute) == replace(VETH, **change)  # type: ignore[arg-type]


def _told_by_ip() -> dict[str, tuple[int, str, int]]:
    told = json.loads(subprocess.run(["ip", "-json", "link"], check=True, capture_output=True).stdout)
    return {one["ifname"]: (one["ifindex"], one.get("address", ""), one["mtu"]) for one in told}


def test_monitor_agrees_with_ip() -> None:
    """All interfaces that are here now; by name and by index."""
    monitor = LinkMonitor(lambda: None)
    found = {link.name: (link.ifindex, link.mac.hex(":"), link.mtu) for link in monitor.links if link.mac}
    assert {name: value for name, value in _told_by_ip().items() if name in found} == found
    lo = monitor.by_name("lo")
    assert lo is not None
    assert lo.loopback
    assert monitor.by_ifindex(lo.ifindex) == lo
    assert monitor.by_name("nobody") is None
    assert monitor.by_ifindex(0) is None
    monitor.close()


def _settle(monitor: LinkMonitor) -> None:
    while select.select([monitor], [], [], 0)[0]:
        monitor.read()


def test_monitor_follows(lone_host: Host) -> None:
    """An interface appears, changes, is renamed, goes, and comes again as another one with the same index."""
    calls: list[None] = []
    with lone_host.entered():
        monitor = LinkMonitor(lambda: calls.append(None))

    def told(name: str) -> list[Link]:
        _settle(monitor)
        return [link for link in monitor.links if link.name == name]

    lone_host.ip("link", "add", "eth1", "index", "77", "type", "veth", "peer", "name", "eth2")
    (first,) = wait_for(lambda: told("eth1"), "eth1")
    lone_host.ip("link", "set", "eth1", "mtu", "1400", "name", "eth3")
    (renamed,) = wait_for(lambda: told("eth3"), "eth3")
    assert (renamed.ifindex, renamed.mtu, renamed.generation) == (77, 1400, first.generation)
    assert told("eth1") == []
    lone_host.ip("link", "del", "eth3")
    wait_for(lambda: not told("eth3"), "the end of eth3")
    lone_host.ip("link", "add", "eth1", "index", "77", "type", "veth", "peer", "name", "eth2")
    (again,) = wait_for(lambda: told("eth1"), "eth1 again")
    assert again.ifindex == 77
    assert again.generation != first.generation
    assert calls
    monitor.close()


def test_monitor_is_silent_about_what_does_not_matter(lone_host: Host) -> None:
    """A change that no listener cares about calls nobody."""
    calls: list[None] = []
    with lone_host.entered():
        monitor = LinkMonitor(lambda: calls.append(None))
    lone_host.ip("link", "set", "lo", "txqueuelen", "17")
    assert select.select([monitor], [], [], 10)[0]
    _settle(monitor)
    assert calls == []
    monitor.close()


def test_monitor_asks_again_after_lost_messages(lone_host: Host) -> None:
    """More changes than the socket holds: in the end it knows all the same what is there, as something new."""
    with lone_host.entered():
        monitor = LinkMonitor(lambda: None)
    monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    (before,) = monitor.links
    sizes = "\n".join(f"link set lo mtu {size}" for size in range(1000, 1300))
    lone_host.run("ip", "-batch", "-", input=sizes)
    lone_host.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth2")

    def names() -> set[str]:
        _settle(monitor)
        return {link.name for link in monitor.links}

    wait_for(lambda: names() == {"lo", "eth1", "eth2"}, "all interfaces")
    lo = monitor.by_name("lo")
    assert lo is not None
    assert (lo.mtu, lo.ifindex) == (1299, before.ifindex)
    assert lo.generation != before.generation
    monitor.close()
