"""The line for a high pace: what each frame says is found out in C (exchange.c); through ctypes."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from rawechod.driver import filters_vlans
from rawechod.packet import compiled
from rawechod.packet.batch import BATCH, Received
from rawechod.packet.compiled import Arrival, Refusal
from rawechod.packet.socket import Options, Ring, Stamps, open_socket, ring_for
from rawechod.probe.codec import Codec, EchoCodec, Seen, known_residence
from rawechod.probe.line import Channel, CodecLine, Heard, Line, Sent, read
from rawechod.wire import echo

HELD = 500_000_000
"""So long may the prober be kept from reading, nanoseconds, without a loss: the ring has room for its replies."""
FLOOD_FRAMES = 4096
BUFFER = 4 * 1024 * 1024
"""Octets; without CAP_NET_ADMIN the kernel grants at most net.core.rmem_max and wmem_max."""
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
_HEARD = struct.Struct("=QQQQIIIHH")
"""`struct re_heard`: received_at, t1, t2, window, seq, responder_seq, residence, dropped, whether it is intact."""


def open_line(ifindex: int, channel: Channel, codec: Codec) -> Line:
    """The quickest line that will do; raises PrivilegeError, InterfaceError."""
    options = Options(filter=channel.filter, promiscuous=channel.tagged and filters_vlans(ifindex))
    if isinstance(codec, EchoCodec) and not channel.stamped and not channel.any_source and available():
        ring = ring_for(channel.frame_size, HELD // channel.interval if channel.interval else FLOOD_FRAMES)
        sock = open_socket(ifindex, replace(options, ring=ring))
        _enlarge_buffers(sock)
        return Exchange(sock, channel.frame_size, codec, ring)
    stamps = Stamps.BOTH if channel.stamped else Stamps.RECEIVED
    sock = open_socket(ifindex, replace(options, stamps=stamps))
    _enlarge_buffers(sock)
    return CodecLine(sock, channel.frame_size, codec)


def _enlarge_buffers(sock: socket.socket) -> None:
    """As large as we may: what the system allows everybody holds a few hundred frames."""
    for forced, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER)


class _Shared(ctypes.Structure):
    """The first fields of `struct re_exchange`."""

    _fields_ = (
        ("heard", ctypes.c_uint8 * (_HEARD.size * BATCH)),
        ("t1", ctypes.c_uint64 * BATCH),
        ("refused", Refusal * BATCH),
    )


@cache
def _library() -> ctypes.CDLL | None:
    library = compiled.library(Path(__file__).parent, "_exchange")
    if library is None:
        return None
    u32, address = ctypes.c_uint32, ctypes.c_void_p
    library.re_exchange_new.restype = address
    library.re_exchange_new.argtypes = (ctypes.c_int, u32, u32, u32, u32, u32)
    library.re_exchange_free.argtypes = library.re_exchange_dropped.argtypes = (address,)
    library.re_exchange_dropped.restype = ctypes.c_uint64
    library.re_exchange_adopt.argtypes = (address, ctypes.c_char_p, u32, ctypes.c_char_p, u32, u32)
    library.re_exchange_send.argtypes = (address, u32, ctypes.c_int)
    library.re_exchange_hear.argtypes = (address,)
    library.re_exchange_look.argtypes = (address, ctypes.c_int, ctypes.POINTER(Arrival))
    return library


def available() -> bool:
    """Whether this installation has the compiled part."""
    return _library() is not None


class Exchange:
    """Requests to one responder, without transmit stamps of the kernel's."""

    def __init__(self, sock: socket.socket, frame_size: int, codec: EchoCodec, ring: Ring) -> None:
        """`ring` is what the socket was opened with."""
        library, shape = _library(), codec.shape
        assert library is not None, "ask available() first"
        self.socket = sock
        self._library, self._codec = library, codec
        lengths = (len(shape.request), len(shape.reply))
        self._exchange: int | None = library.re_exchange_new(sock.fileno(), frame_size, *ring, *lengths)
        if not self._exchange:
            raise MemoryError
        self._shared = _Shared.from_address(self._exchange)
        self._heard = memoryview(self._shared.heard).cast("B")
        self._adopt()

    def send(self, numbers: Sequence[int]) -> Sent:
        """Send requests."""
        count = self._library.re_exchange_send(self._exchange, numbers[0] & 0xFFFFFFFF, len(numbers))
        refused = {one.index: one.error for one in self._shared.refused[:count]} if count else {}
        return Sent(self._shared.t1[: len(numbers)], refused)

    def hear(self) -> list[Heard]:
        """What has arrived."""
        count = self._library.re_exchange_hear(self._exchange)
        if count < 0:
            raise OSError(-count, os.strerror(-count))
        src, at, new = self._src, self._t1_at, tuple.__new__
        heard: list[Heard] = []
        entries = _HEARD.iter_unpack(self._heard[: count * _HEARD.size])
        for slot, (received_at, t1, t2, window, seq, responder_seq, inside, dropped, intact) in enumerate(entries):
            if intact:
                known = known_residence(inside)
                values = (
                    seq,
                    src,
                    known,
                    None,
                    responder_seq,
                    echo.VERSION,
                    t2,
                    t1,
                    at,
                    window,
                    dropped,
                    None,
                    "",
                )
                # Nobody needs to look at its octets. Without the detour of a NamedTuple's own constructor.
                stamps = new(Received, (b"", 0, 0, None, received_at, 0))
                heard.append(new(Heard, (new(Seen, values), stamps)))
            else:
                heard.append(self._look(slot))
        return heard

    def readdress(self, mac: bytes) -> None:
        """Send from this MAC from now on."""
        self._codec.readdress(mac)
        self._adopt()

    def dropped(self) -> int:
        """Frames that found the receive buffer full."""
        return int(self._library.re_exchange_dropped(self._exchange))

    def close(self) -> None:
        """Give the memory and the socket back."""
        self._library.re_exchange_free(self._exchange)
        self.socket.close()

    def _adopt(self) -> None:
        shape = self._codec.shape
        self._src = shape.reply[6:12]
        self._t1_at = shape.reply_pdu + echo.T1_OFFSET + len(shape.tag)
        tag = int.from_bytes(shape.tag)
        self._library.re_exchange_adopt(
            self._exchange, shape.request, shape.request_pdu, shape.reply, shape.reply_pdu, tag
        )

    def _look(self, slot: int) -> Heard:
        """Have the codec read a frame that is not as it should be."""
        frame = Arrival()
        self._library.re_exchange_look(self._exchange, slot, ctypes.byref(frame))
        received = frame.received()
        return Heard(read(self._codec, received), received)
