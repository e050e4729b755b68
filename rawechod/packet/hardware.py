"""Hardware time stamps: what a NIC can stamp, and having it stamp every frame; see timestamping.rst of Linux.

struct ifreq:             0 ifr_name[16]   16 ifr_data, the address of one of these
struct ethtool_ts_info:   0 cmd   4 so_timestamping   8 phc_index   12 tx_types, a bit each   16 reserved[3]
                         28 rx_filters, a bit each   32 reserved[3]
struct hwtstamp_config:   0 flags   4 tx_type   8 rx_filter

A NIC has one setting for all who use it, and the kernel leaves it to them not to get in each other's way. So one
that is on is somebody else's (ptp4l, hwstamp_ctl) and never touched; one that is off is switched on for as long as
a probe needs it, and off again unless somebody has changed it meanwhile. A daemon that is killed leaves it on.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from rawechod.errors import StampError
from rawechod.packet.timestamps import HARDWARE

SIOCETHTOOL, SIOCSHWTSTAMP, SIOCGHWTSTAMP = 0x8946, 0x89B0, 0x89B1
ETHTOOL_GET_TS_INFO = 0x41
TX_OFF, TX_ON = 0, 1
FILTER_NONE, FILTER_ALL = 0, 1

IFREQ = struct.Struct("@16sP16x")
TS_INFO = struct.Struct("=IIiI12xI12x")
CONFIG = struct.Struct("=iii")

NO_PRIVILEGE = "switching them on takes CAP_NET_ADMIN: install the unit's drop-in ebpf.conf"

Ioctl = Callable[[str, int, bytearray], None]
"""Hands a struct about the interface of this name to the kernel, which may write to it; raises OSError."""


class Abilities(NamedTuple):
    """What a NIC can do."""

    stamps: int
    """SOF_TIMESTAMPING_* that it has."""
    tx_types: int
    rx_filters: int


class Setting(NamedTuple):
    """What a NIC stamps now: struct hwtstamp_config."""

    flags: int
    tx_type: int
    rx_filter: int

    @property
    def every_frame(self) -> bool:
        """Each that is received, and each sent one whose sender asks for it."""
        return self.tx_type != TX_OFF and self.rx_filter == FILTER_ALL


OFF, EVERY_FRAME = Setting(0, TX_OFF, FILTER_NONE), Setting(0, TX_ON, FILTER_ALL)


def must_switch(abilities: Abilities, present: Setting | None) -> bool:
    """Whether stamping every frame takes another setting; raises StampError where it is not to be had.

    `present` is None where the driver does not tell it.
    """
    if abilities.stamps & HARDWARE != HARDWARE or not abilities.tx_types >> TX_ON & 1:
        raise StampError("the interface has none")
    if present is None:
        raise StampError("the interface's driver does not tell whether somebody uses them")
    if present.every_frame:
        return False
    if not abilities.rx_filters >> FILTER_ALL & 1:
        raise StampError("the interface has them for PTP alone")
    if (present.tx_type, present.rx_filter) != (TX_OFF, FILTER_NONE):
        raise StampError("somebody else has set the interface (ptp4l, hwstamp_ctl), and not to stamp every frame")
    return True


def ioctl(name: str, request: int, data: bytearray) -> None:
    """The kernel's."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(data))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, request, IFREQ.pack(name.encode(), address))


class Switch:
    """Has NICs stamp every frame while somebody needs it."""

    def __init__(self, ioctl: Ioctl = ioctl) -> None:
        self._ioctl = ioctl
        self._users: Counter[int] = Counter()
        self._switched: dict[int, Setting] = {}
        """What interfaces were set to that had been off."""

    def take(self, ifindex: int) -> None:
        """Have every frame of an interface stamped until it is given back; raises StampError."""
        try:
            name = socket.if_indextoname(ifindex)
            # Asked each time: an interface may have been made anew with the same index.
            if must_switch(self._abilities(name), self._present(name)):
                self._switch_on(ifindex, name)
        except PermissionError as error:
            raise StampError(NO_PRIVILEGE) from error
        except OSError as error:
            raise StampError(f"the kernel refuses: {error.strerror}") from error
        self._users[ifindex] += 1

    def give_back(self, ifindex: int) -> None:
        """One user less; the last one leaves the interface as the first found it."""
        self._users[ifindex] -= 1
        if self._users[ifindex]:
            return
        del self._users[ifindex]
        self._switch_off(ifindex)

    def _switch_on(self, ifindex: int, name: str) -> None:
        self._switched[ifindex] = given = self._set(name, EVERY_FRAME)
        if not given.every_frame:
            self._switch_off(ifindex)
            raise StampError("the interface's driver does not stamp every frame")

    def _switch_off(self, ifindex: int) -> None:
        ours = self._switched.pop(ifindex, None)
        try:
            name = socket.if_indextoname(ifindex)
            if ours and self._present(name) == ours:
                self._set(name, OFF)
        except OSError:
            pass  # The interface is gone, and its setting with it.

    def _abilities(self, name: str) -> Abilities:
        data = bytearray(TS_INFO.pack(ETHTOOL_GET_TS_INFO, 0, 0, 0, 0))
        self._ioctl(name, SIOCETHTOOL, data)
        _, stamps, _, tx_types, rx_filters = TS_INFO.unpack(data)
        return Abilities(stamps, tx_types, rx_filters)

    def _present(self, name: str) -> Setting | None:
        data = bytearray(CONFIG.size)
        try:
            self._ioctl(name, SIOCGHWTSTAMP, data)
        except OSError:
            return None
        return Setting(*CONFIG.unpack(data))

    def _set(self, name: str, wanted: Setting) -> Setting:
        """What the driver made of it."""
        data = bytearray(CONFIG.pack(*wanted))
        self._ioctl(name, SIOCSHWTSTAMP, data)
        return Setting(*CONFIG.unpack(data))


class Hold:
    """One user's claim on an interface's stamps."""

    def __init__(self, switch: Switch, wanted: bool) -> None:
        self._switch = switch
        self._wanted = wanted
        self._ifindex: int | None = None
        self.problem = ""
        """Why there are none though they are wanted, a sentence."""

    @property
    def granted(self) -> bool:
        """The NIC stamps every frame."""
        return self._ifindex is not None

    def move(self, ifindex: int) -> None:
        """From now on of this interface."""
        before, self._ifindex, self.problem = self._ifindex, None, ""
        if self._wanted:
            try:
                self._switch.take(ifindex)
                self._ifindex = ifindex
            except StampError as error:
                self.problem = f"no hardware time stamps: {error}"
        if before is not None:
            self._switch.give_back(before)

    def close(self) -> None:
        """Let go."""
        if self._ifindex is not None:
            self._switch.give_back(self._ifindex)
        self._ifindex = None
