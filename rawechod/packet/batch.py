"""Many frames a system call, each way: recvmmsg(2) and sendmmsg(2)."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from rawechod.packet import timestamps
from rawechod.packet.socket import PACKET_AUXDATA, SOL_PACKET

BATCH = 64
PACKET_OTHERHOST = 3
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
DEFAULT_TPID = 0x8100

_ADDRESS = struct.Struct("=HHiHBB8s")
_CONTROL_HEADER = struct.Struct("@Nii")
_AUXDATA = struct.Struct("=IIIHHHH")
_CONTROL_SIZE = 128
_CONTROL_ALIGNMENT = ctypes.sizeof(ctypes.c_long)
"""CMSG_ALIGN(3): 4 octets on 32-bit machines."""
_STAMPS = (timestamps.SCM_TIMESTAMPNS, timestamps.SCM_TIMESTAMPING)
_libc = ctypes.CDLL(None, use_errno=True)


class Received(NamedTuple):
    """A frame as the tap delivers it."""

    frame: bytes
    """Without its outermost tag; cut where it is longer than the buffer."""
    length: int
    """Octets that it had."""
    packet_type: int
    tag: tuple[int, int] | None
    """TPID and TCI of the outermost tag."""
    received_at: int
    """Kernel receive stamp, nanoseconds since the epoch; 0 = none."""
    hardware_at: int = 0
    """The NIC's, nanoseconds of its own clock; 0 = none."""


class _IoVector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _SendVector(ctypes.Structure):
    """The same; takes `bytes` as they are, and keeps them alive."""

    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_IoVector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_long),  # an int, then the padding at the end of struct msghdr
        ("length", ctypes.c_ulong),
    )


_RESULTS = struct.Struct(
    f"@{_Message.control_length.offset}xNlI{ctypes.sizeof(_Message) - _Message.length.offset - 4}x"
)
"""Of a struct mmsghdr, what the kernel writes: the ancillary data's length, flags, the frame's length."""


class BatchReceiver:
    """Drains a packet socket, up to BATCH frames a call, each cut at `frame_size` octets."""

    def __init__(self, sock: socket.socket, frame_size: int) -> None:
        self._fd = sock.fileno()
        self._size = frame_size
        self._frames = bytearray(BATCH * frame_size)
        self._view = memoryview(self._frames)
        self._addresses = bytearray(BATCH * _ADDRESS.size)
        self._controls = bytearray(BATCH * _CONTROL_SIZE)
        self._vectors = (_IoVector * BATCH)()
        self._messages = (_Message * BATCH)()
        frames, addresses, controls = map(_address_of, (self._frames, self._addresses, self._controls))
        for index, message in enumerate(self._messages):
            self._vectors[index] = _IoVector(frames + index * frame_size, frame_size)
            message.name, message.name_length = addresses + index * _ADDRESS.size, _ADDRESS.size
            message.vectors = ctypes.pointer(self._vectors[index])
            message.vector_count = 1
            message.control = controls + index * _CONTROL_SIZE
            message.control_length = _CONTROL_SIZE
        # The kernel writes lengths into the headers: each call starts from a copy of these.
        self._template = bytes(self._messages)

    def receive(self) -> list[Received]:
        """What has arrived, at most BATCH frames; empty where nothing has.

        Raises OSError, as recv does: ENETDOWN once after the interface went down or away.
        """
        ctypes.memmove(self._messages, self._template, len(self._template))
        count = _libc.recvmmsg(self._fd, self._messages, BATCH, socket.MSG_DONTWAIT | socket.MSG_TRUNC, None)
        if count < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(code, os.strerror(code))
        headers = _RESULTS.iter_unpack(memoryview(self._messages)[:count].cast("B"))
        return [self._received(index, length, used) for index, (used, _, length) in enumerate(headers)]

    def _received(self, index: int, length: int, used: int) -> Received:
        start = index * self._size
        frame = bytes(self._view[start : start + (length if length < self._size else self._size)])
        packet_type = self._addresses[index * _ADDRESS.size + 10]
        return Received(frame, length, packet_type, *_ancillary(self._controls, index * _CONTROL_SIZE, used))


class BatchSender:
    """Sends frames on a bound packet socket, many a call."""

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        self._vectors = (_SendVector * BATCH)()
        self._slots = list(self._vectors)
        self._messages = (_Message * BATCH)()
        for message, vector in zip(self._messages, self._vectors, strict=True):
            message.vectors = ctypes.cast(ctypes.byref(vector), ctypes.POINTER(_IoVector))
            message.vector_count = 1

    def send(self, frames: Sequence[bytes]) -> list[tuple[int, int]]:
        """Send up to BATCH frames; the (index, errno) of those that the kernel refused.

        With a full queue (EAGAIN) the rest is refused too: never a busy loop.
        """
        for vector, frame in zip(self._slots, frames, strict=False):
            vector.base, vector.length = frame, len(frame)
        refused: list[tuple[int, int]] = []
        done, retried = 0, False
        while done < len(frames):
            code = self._send_some(done, len(frames))
            if code <= 0:
                done -= code
                continue
            if code == errno.ENETDOWN and not retried:
                retried = True  # Possibly left over from before the interface came up.
                continue
            if code in (errno.EAGAIN, errno.EWOULDBLOCK):
                return refused + [(index, code) for index in range(done, len(frames))]
            refused.append((done, code))
            done += 1
        return refused

    def _send_some(self, start: int, end: int) -> int:
        """Minus the number of frames sent, or the errno of the first."""
        first = ctypes.byref(self._messages, start * ctypes.sizeof(_Message))
        sent = _libc.sendmmsg(self._fd, first, end - start, socket.MSG_DONTWAIT)
        return -sent if sent >= 0 else ctypes.get_errno()


def _address_of(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _ancillary(controls: bytearray, start: int, used: int) -> tuple[tuple[int, int] | None, int, int]:
    """The tag and the receive stamps, kernel's and NIC's, in one message's control data, cmsg(3)."""
    tag, received_at, hardware_at, offset = None, 0, 0, start
    while offset + _CONTROL_HEADER.size <= start + used:
        length, level, kind = _CONTROL_HEADER.unpack_from(controls, offset)
        if length < _CONTROL_HEADER.size:
            break
        body = offset + _CONTROL_HEADER.size
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = _AUXDATA.unpack_from(controls, body)
            # Presence is the status bit, never `tci != 0`: vid 0 with pcp 0 is a valid tag.
            if status & TP_STATUS_VLAN_VALID:
                tag = (tpid if status & TP_STATUS_VLAN_TPID_VALID else DEFAULT_TPID), tci
        elif level == socket.SOL_SOCKET and kind in _STAMPS:
            received_at = timestamps.decode(controls, body)
            if kind == timestamps.SCM_TIMESTAMPING:
                hardware_at = timestamps.decode(controls, body + timestamps.HARDWARE_OFFSET)
        offset += -(-length // _CONTROL_ALIGNMENT) * _CONTROL_ALIGNMENT
    return tag, received_at, hardware_at
