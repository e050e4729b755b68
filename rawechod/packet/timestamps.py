"""Kernel time stamps: SO_TIMESTAMPNS for responders, SO_TIMESTAMPING for probes; see timestamping.rst of Linux.

A transmit stamp comes back on the socket's error queue, with the number of the frame it belongs to. Behind
XDP on veth each frame yields two: the first counts. The queue is level-triggered (EPOLLERR) and shares the
receive buffer, so it is always read until it is empty.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

SO_TIMESTAMPNS = SCM_TIMESTAMPNS = 35
SO_TIMESTAMPING = SCM_TIMESTAMPING = 37
SOL_PACKET = 263
PACKET_TX_TIMESTAMP = 16
SECOND = 1_000_000_000

TX_SOFTWARE, RX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY = 1 << 1, 1 << 3, 1 << 4, 1 << 7, 1 << 11
RECEIVE = RX_SOFTWARE | SOFTWARE
BOTH = RECEIVE | TX_SOFTWARE | OPT_ID | OPT_TSONLY
"""Stamps both ways, transmitted frames numbered from 0, without their octets."""

_TIMESPEC = struct.Struct("@ll")
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ROOM = 256
_MOST = 4096


def decode(data: bytes | bytearray, offset: int) -> int:
    """A struct timespec as nanoseconds since the epoch; of struct scm_timestamping the first, the software's."""
    seconds, nanoseconds = _TIMESPEC.unpack_from(data, offset)
    return int(seconds) * SECOND + int(nanoseconds)


def number_from_zero(sock: socket.socket) -> None:
    """Stamp both ways and number what is sent from here on from 0; stamps of earlier frames are dropped."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RECEIVE)
    for _ in transmitted(sock):
        pass
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, BOTH)


def transmitted(sock: socket.socket) -> Iterator[tuple[int, int]]:
    """Empty the error queue: the number and the transmit time of each stamped frame."""
    for _ in range(_MOST):
        try:
            _, parts, _, _ = sock.recvmsg(0, _ROOM, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return  # Empty; or the interface is gone, which recvmmsg tells too.
        number, stamp = -1, 0
        for level, kind, data in parts:
            if (level, kind) == (socket.SOL_SOCKET, SCM_TIMESTAMPING):
                stamp = decode(data, 0)
            elif (level, kind) == (SOL_PACKET, PACKET_TX_TIMESTAMP):
                number = _EXTENDED_ERROR.unpack_from(data)[6]
        if number >= 0 and stamp:
            yield number, stamp
