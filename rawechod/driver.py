"""What an interface's driver says of it: name, features and counters, by ethtool and rtnetlink."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Mapping
from contextlib import closing

from rawechod.errors import InterfaceError
from rawechod.link import read_attributes

ETHTOOL_GDRVINFO, ETHTOOL_GSTRINGS, ETHTOOL_GSTATS = 0x03, 0x1B, 0x1D
ETHTOOL_GSSET_INFO, ETHTOOL_GFEATURES = 0x37, 0x3A
ETH_SS_STATS, ETH_SS_FEATURES = 1, 4
TAG_TAKERS = frozenset({"rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"})
"""The features of taking a VLAN tag out of a received frame, C-tag and S-tag, by the kernel's names."""
TAG_FILTERS = frozenset({"rx-vlan-filter", "rx-vlan-stag-filter"})
"""Of receiving no VLANs but those that the host has interfaces for."""
RTM_NEWSTATS, RTM_GETSTATS, NLM_F_REQUEST = 92, 94, 1
IFLA_STATS_LINK_64 = 1
SIOCGIFNAME, SIOCGIFMTU, SIOCETHTOOL = 0x8910, 0x8921, 0x8946
_SENT = re.compile(r"rx_xdp_tx_cqe|tx(_queue)?_?\d*_xdp_tx")
"""mlx5 and virtio_net count XDP answers apart: their tx_packets are without them, or much too late."""
_FAILED = re.compile(r"\w*xdp_tx_\w*(err|drop|full)\w*")
_NAME_LENGTH = 32
_TX_PACKETS = struct.Struct("=8xQ")
_IFREQ_WITH_NUMBER = struct.Struct("=16si20x")
_IFREQ_BY_NAME = struct.Struct("=16sQ16x")
_STATS_REQUEST = struct.Struct("=IHHII B3xII")


class Driver:
    """Of one interface of this network namespace, whatever its name becomes. Questions raise OSError."""

    def __init__(self, ifindex: int) -> None:
        """Raises InterfaceError."""
        self._ifindex = ifindex
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        except OSError as error:
            raise InterfaceError(f"its driver can't be asked ({error.strerror})") from error

    def close(self) -> None:
        """Ask no more."""
        self._socket.close()

    @property
    def interface(self) -> str:
        """The interface's name, now."""
        asked = _IFREQ_WITH_NUMBER.pack(b"", self._ifindex)
        return _text(fcntl.ioctl(self._socket, SIOCGIFNAME, asked)[:16])

    @property
    def name(self) -> str:
        """The driver's."""
        return _text(self._ethtool(struct.pack("=I192x", ETHTOOL_GDRVINFO))[4:36])

    @property
    def mtu(self) -> int:
        """The interface's MTU, now."""
        asked = _IFREQ_WITH_NUMBER.pack(self.interface.encode(), 0)
        return int(_IFREQ_WITH_NUMBER.unpack(fcntl.ioctl(self._socket, SIOCGIFMTU, asked))[1])

    @property
    def takes_tags(self) -> bool:
        """Whether a received frame's VLAN tag may be taken out of it, and be told beside it."""
        return self._has_active(TAG_TAKERS)

    @property
    def filters_vlans(self) -> bool:
        """Whether frames of VLANs that the host has no interface for are dropped by the NIC."""
        return self._has_active(TAG_FILTERS)

    def _has_active(self, features: frozenset[str]) -> bool:
        names = self._strings(ETH_SS_FEATURES)
        blocks = (len(names) + 31) // 32
        told = self._ethtool(struct.pack(f"=II{16 * blocks}x", ETHTOOL_GFEATURES, blocks))
        active = [words[2] for words in struct.iter_unpack("=4I", told[8:])]
        return any(name in features and active[bit // 32] >> bit % 32 & 1 for bit, name in enumerate(names))

    def tx_packets(self) -> int:
        """Frames that the interface has transmitted, the host's own among them."""
        body = (0, self._ifindex, 1 << IFLA_STATS_LINK_64 - 1)
        header = (_STATS_REQUEST.size, RTM_GETSTATS, NLM_F_REQUEST, 0, 0)
        self._socket.send(_STATS_REQUEST.pack(*header, *body))
        answer = self._socket.recv(4096, socket.MSG_DONTWAIT)
        if struct.unpack_from("=4xH", answer)[0] != RTM_NEWSTATS:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        found = dict(read_attributes(answer[_STATS_REQUEST.size :])).get(IFLA_STATS_LINK_64)
        return int(_TX_PACKETS.unpack_from(found)[0]) if found else 0

    def counters(self) -> dict[str, int]:
        """The driver's own counters, as `ethtool -S` shows them; none where it has none."""
        names = self._strings(ETH_SS_STATS)
        if not names:
            return {}
        told = self._ethtool(struct.pack(f"=II{8 * len(names)}x", ETHTOOL_GSTATS, len(names)))
        return dict(zip(names, struct.unpack_from(f"={len(names)}Q", told, 8), strict=True))

    def _strings(self, kind: int) -> list[str]:
        """The names of a set; empty where the driver has no such set."""
        told = self._ethtool(struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << kind, 0))
        if not struct.unpack_from("=Q", told, 8)[0]:
            return []
        (count,) = struct.unpack_from("=I", told, 16)
        told = self._ethtool(struct.pack(f"=III{_NAME_LENGTH * count}x", ETHTOOL_GSTRINGS, kind, count))
        return [_text(told[at : at + _NAME_LENGTH]) for at in range(12, len(told), _NAME_LENGTH)]

    def _ethtool(self, command: bytes) -> bytes:
        """SIOCETHTOOL: the kernel writes its answer over the command."""
        place = array.array("B", command)
        request = _IFREQ_BY_NAME.pack(self.interface.encode(), place.buffer_info()[0])
        fcntl.ioctl(self._socket, SIOCETHTOOL, request)
        return place.tobytes()


def filters_vlans(ifindex: int) -> bool:
    """Whether an interface drops frames of VLANs, unless it is promiscuous; False where nobody knows."""
    try:
        with closing(Driver(ifindex)) as driver:
            return driver.filters_vlans
    except (OSError, InterfaceError):
        return False


def sent_apart(counters: Mapping[str, int]) -> int:
    """Answers of an XDP program that the driver counts as sent, where it counts them apart."""
    return _total(counters, _SENT)


def failed(counters: Mapping[str, int]) -> int:
    """Answers of an XDP program that the driver threw away."""
    return _total(counters, _FAILED)


def _total(counters: Mapping[str, int], wanted: re.Pattern[str]) -> int:
    """Drivers count a queue, in all, or both."""
    found = {name: count for name, count in counters.items() if wanted.fullmatch(name)}
    totals = {name: count for name, count in found.items() if not re.search(r"\d", name)}
    return sum((totals or found).values())


def _text(octets: bytes) -> str:
    return octets.partition(b"\0")[0].decode("utf-8", "replace")
