"""Stands in for the part of a NIC that no machine of the tests has: its hardware time stamps."""

from __future__ import annotations

import errno
import os

from rawechod.packet.hardware import (
    CONFIG,
    OFF,
    SIOCETHTOOL,
    SIOCGHWTSTAMP,
    SIOCSHWTSTAMP,
    TS_INFO,
    Abilities,
    Setting,
)
from rawechod.packet.timestamps import HARDWARE

EVERYTHING = Abilities(HARDWARE, 0b11, 0b11)
"""Off and on, none and all."""


class Nic:
    """Answers as the kernel does for an interface whose driver has these abilities."""

    def __init__(self, abilities: Abilities = EVERYTHING, setting: Setting | None = OFF) -> None:
        self.abilities = abilities
        self.setting = setting
        """None: its driver does not tell, and takes none."""
        self.sets: list[Setting] = []
        """What it was told to be."""
        self.grants: Setting | None = None
        """What it becomes instead of what it is told."""
        self.refuses = 0
        """An errno."""

    def ioctl(self, _name: str, request: int, data: bytearray) -> None:
        """As rawechod.packet.hardware.ioctl."""
        if request == SIOCETHTOOL:
            stamps, tx_types, rx_filters = self.abilities
            data[:] = TS_INFO.pack(TS_INFO.unpack(data)[0], stamps, 0, tx_types, rx_filters)
            return
        if self.setting is None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        if request == SIOCSHWTSTAMP:
            self._set(Setting(*CONFIG.unpack(data)))
        else:
            assert request == SIOCGHWTSTAMP
        data[:] = CONFIG.pack(*self.setting)

    def _set(self, wanted: Setting) -> None:
        if self.refuses:
            raise OSError(self.refuses, os.strerror(self.refuses))
        self.sets.append(wanted)
        self.setting = wanted if wanted == OFF else self.grants or wanted
