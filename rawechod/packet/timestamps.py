"""Kernel time stamps: SO_TIMESTAMPNS for responders, SO_TIMESTAMPING for probes; see timestamping.rst of Linux.

A transmit stamp comes back on the socket's error queue, with the number of the frame it belongs to. Behind
XDP on veth each frame yields two: the first counts. Where the NIC stamps too, its stamp is a message of its own,
behind the kernel's. The queue is level-triggered (EPOLLERR) and shares the receive buffer, so it is always read
until it is empty.

struct scm_timestamping, three struct timespec:   0 the kernel's   16 nothing any more   32 the NIC's
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SO_TIMESTAMPNS = SCM_TIMESTAMPNS = 35
SO_TIMESTAMPING = SCM_TIMESTAMPING = 37
SOL_PACKET = 263
PACKET_TX_TIMESTAMP = 16
SECOND = 1_000_000_000

TX_SOFTWARE, RX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY = 1 << 1, 1 << 3, 1 << 4, 1 << 7, 1 << 11
TX_HARDWARE, RX_HARDWARE, RAW_HARDWARE, OPT_TX_SWHW = 1 << 0, 1 << 2, 1 << 6, 1 << 14
RECEIVE = RX_SOFTWARE | SOFTWARE
BOTH = RECEIVE | TX_SOFTWARE | OPT_ID | OPT_TSONLY
"""Stamps both ways, transmitted frames numbered from 0, without their octets."""
HARDWARE = TX_HARDWARE | RX_HARDWARE | RAW_HARDWARE
WITH_HARDWARE = BOTH | HARDWARE | OPT_TX_SWHW
"""The NIC's beside the kernel's."""
HARDWARE_OFFSET = 32

_TIMESPEC = struct.Struct("@ll")
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ROOM = 256
_MOST = 4096


class Transmitted(NamedTuple):
    """A message of the error queue: a frame's stamp by the kernel, or by the NIC; 0 = not in this one."""

    frame: int
    kernel: int
    hardware: int


def decode(data: bytes | bytearray, offset: int) -> int:
    """A struct timespec as nanoseconds since the epoch; of struct scm_timestamping the first, the software's."""
    seconds, nanoseconds = _TIMESPEC.unpack_from(data, offset)
    return int(seconds) * SECOND + int(nanoseconds)


def number_from_zero(sock: socket.socket, hardware: bool) -> None:
    """Stamp both ways and number what is sent from here on from 0; stamps of earlier frames are dropped."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RECEIVE)
    for _ in transmitted(sock):
        pass
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, WITH_HARDWARE if hardware else BOTH)


def transmitted(sock: socket.socket) -> Iterator[Transmitted]:
    """Empty the error queue: its messages about stamped frames."""
    for _ in range(_MOST):
        try:
            _, parts, _, _ = sock.recvmsg(0, _ROOM, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return  # Empty; or the interface is gone, which recvmmsg tells too.
        told = from_message(parts)
        if told.frame >= 0 and (told.kernel or told.hardware):
            yield told


def from_message(parts: Iterable[tuple[int, int, bytes]]) -> Transmitted:
    """What a message's ancillary data says; frame -1 where it is about none."""
    number, kernel, hardware = -1, 0, 0
    for level, kind, data in parts:
        if (level, kind) == (socket.SOL_SOCKET, SCM_TIMESTAMPING):
            kernel, hardware = decode(data, 0), decode(data, HARDWARE_OFFSET)
        elif (level, kind) == (SOL_PACKET, PACKET_TX_TIMESTAMP):
            number = _EXTENDED_ERROR.unpack_from(data)[6]
    return Transmitted(number, kernel, hardware)
