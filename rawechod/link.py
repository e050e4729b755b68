"""What the kernel says of the interfaces: rtnetlink(7), one socket, no polling."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rawechod.wire import ethernet

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST_DUMP = 0x0301
RTMGRP_LINK = 1
IFF_UP, IFF_LOOPBACK, IFF_LOWER_UP = 0x1, 0x8, 0x10000
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO = 1, 3, 4, 10, 18
IFLA_PROP_LIST, IFLA_ALT_IFNAME = 52, 53
IFLA_INFO_KIND, IFLA_INFO_SLAVE_KIND = 1, 4
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772
LOOPBACK_ONLY = "loopback only: set interface in /etc/rawecho/config.toml to reach the network"
"""What to tell whoever works on a loopback device."""
_NESTED_MASK = 0x3FFF
_RECEIVE = 1 << 18

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Link:
    """One interface."""

    ifindex: int
    name: str
    mac: bytes
    """Empty on devices without an Ethernet address."""
    mtu: int
    up: bool
    """Administratively up, and with a carrier."""
    loopback: bool
    ethernet: bool
    """Speaks Ethernet frames (the loopback device does)."""
    master: int = 0
    """The ifindex of the bridge, bond or team that it is a port of, 0 = none."""
    kind: str = ""
    port_of: str = ""
    """`bridge`, `bond`, `team`, ...; empty = no port."""
    altnames: tuple[str, ...] = ()
    """Further names: `ip link property`."""
    generation: int = 0
    """Tells an interface from an earlier one with the same index: sockets bound to that one are dead."""


class LinkMonitor:
    """All interfaces of this network namespace, kept up to date; `on_change` is called after each round."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._links: dict[int, Link] = {}
        self._by_name: dict[str, Link] | None = None
        """The same; made when it is asked for."""
        self._told: dict[int, Link] = {}
        self._dumping: set[int] | None = None
        self._dump_again = False
        self._generation = 0
        family, kind = socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK
        self._socket = socket.socket(family, kind, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((0, RTMGRP_LINK))
        self._request_dump()
        self._socket.setblocking(True)
        while self._dumping is not None:
            self._receive()
        self._socket.setblocking(False)
        self._told = dict(self._links)

    def fileno(self) -> int:
        """The netlink socket."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    @property
    def links(self) -> list[Link]:
        """All interfaces, in the kernel's order."""
        return [self._links[ifindex] for ifindex in sorted(self._links)]

    def by_name(self, name: str) -> Link | None:
        """The interface of this name, now."""
        if self._by_name is None:
            self._by_name = {link.name: link for link in self._links.values()}
        return self._by_name.get(name)

    def other_name(self, name: str) -> str:
        """A sentence for whoever looks in vain for an interface by its altname; else empty.

        Altnames are not followed: two listeners could have one interface by two names, and both would answer.
        """
        found = next((link for link in self._links.values() if name in link.altnames), None)
        return f"{name} is an altname of {found.name}: configure that name instead" if found else ""

    def by_ifindex(self, ifindex: int) -> Link | None:
        """The interface of this index, now."""
        return self._links.get(ifindex)

    def read(self, _events: int = 0) -> None:
        """Take in what has happened."""
        while True:
            try:
                self._receive()
            except BlockingIOError:
                break
        if self._dumping is None and self._links != self._told:
            self._told = dict(self._links)
            self._on_change()

    def _receive(self) -> None:
        """Take in one datagram; after lost ones ask for everything again."""
        try:
            self._apply(self._socket.recv(_RECEIVE))
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._generation += 1
            if self._dumping is None:
                self._request_dump()
            else:
                self._dump_again = True  # The kernel refuses a second dump while one runs.

    def _request_dump(self) -> None:
        self._dumping = set()
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        header = _HEADER.pack(_HEADER.size + len(body), RTM_GETLINK, NLM_F_REQUEST_DUMP, 1, 0)
        self._socket.send(header + body)

    def _apply(self, data: bytes) -> None:
        for kind, body in _messages(data):
            if kind == NLMSG_ERROR:
                code = -struct.unpack_from("=i", body)[0]
                if code:
                    raise OSError(code, os.strerror(code))
            elif kind == NLMSG_DONE:
                self._end_dump()
            elif kind in (RTM_NEWLINK, RTM_DELLINK):
                self._apply_link(kind, body)

    def _apply_link(self, kind: int, body: bytes) -> None:
        link = decode_link(body)
        if link is None:
            return
        self._by_name = None
        if kind == RTM_DELLINK:
            self._links.pop(link.ifindex, None)
            self._generation += 1
            return
        known = self._links.get(link.ifindex)
        if self._dumping is not None:
            self._dumping.add(link.ifindex)
            known = None  # After lost messages nobody knows whether it is still the same.
        self._links[link.ifindex] = replace(link, generation=known.generation if known else self._generation)

    def _end_dump(self) -> None:
        seen, self._dumping = self._dumping, None
        if seen is not None:
            self._by_name = None
            self._links = {ifindex: link for ifindex, link in self._links.items() if ifindex in seen}
        if self._dump_again:
            self._dump_again = False
            self._request_dump()


def decode_link(body: bytes) -> Link | None:
    """An ifinfomsg and its attributes; None for messages about something else (a bridge's port states)."""
    family, device_type, ifindex, flags, _ = _LINK.unpack_from(body)
    if family != socket.AF_UNSPEC:
        return None
    attributes = dict(read_attributes(body[_LINK.size :]))
    info = dict(read_attributes(attributes.get(IFLA_LINKINFO, b"")))
    properties = read_attributes(attributes.get(IFLA_PROP_LIST, b""))
    mac = attributes.get(IFLA_ADDRESS, b"")
    return Link(
        ifindex=ifindex,
        name=_text(attributes.get(IFLA_IFNAME, b"")),
        mac=mac if len(mac) == ethernet.MAC_LENGTH else b"",
        mtu=_NUMBER.unpack(attributes[IFLA_MTU])[0] if IFLA_MTU in attributes else 0,
        up=flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP,
        loopback=bool(flags & IFF_LOOPBACK),
        ethernet=device_type in (ARPHRD_ETHER, ARPHRD_LOOPBACK) and len(mac) == ethernet.MAC_LENGTH,
        master=_NUMBER.unpack(attributes[IFLA_MASTER])[0] if IFLA_MASTER in attributes else 0,
        kind=_text(info.get(IFLA_INFO_KIND, b"")),
        port_of=_text(info.get(IFLA_INFO_SLAVE_KIND, b"")),
        altnames=tuple(_text(value) for kind, value in properties if kind == IFLA_ALT_IFNAME),
    )


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def read_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Netlink attributes: types and values."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _NESTED_MASK, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")
