"""Opening AF_PACKET sockets; see packet(7).

A socket is opened with protocol 0, which hears nothing, gets its filter and options, and is bound last: no
frame of another kind ever reaches it, and there is no moment at which it hears another interface.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from rawechod.errors import InterfaceError, PrivilegeError
from rawechod.packet import timestamps
from rawechod.wire import ethernet

SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_AUXDATA = 8
PACKET_VERSION = 10
PACKET_IGNORE_OUTGOING = 23
PACKET_MR_MULTICAST = 0
PACKET_MR_PROMISC = 1
TPACKET_V2 = 1
SO_ATTACH_FILTER = 26
SO_LOCK_FILTER = 44

DOMAINS = {"AF_PACKET": socket.AF_PACKET, "PF_PACKET": getattr(socket, "PF_PACKET", socket.AF_PACKET)}
"""The two names of one address family."""

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets asked for; the kernel grants at most net.core.rmem_max."""

NO_PRIVILEGE = (
    "the kernel refuses a raw socket: rawechod needs the capability CAP_NET_RAW; run it as root, or with "
    "`systemctl start rawechod`, whose unit grants just that"
)

_libc = ctypes.CDLL(None, use_errno=True)
_SOCKADDR_LL = struct.Struct("=HHiHBB8s")
_MEMBERSHIP = struct.Struct("=iHH8s")
_STATISTICS = struct.Struct("=II")
_RING_REQUEST = struct.Struct("=IIII")
_MOST_RING_OCTETS = 64 * 1024 * 1024
_RING_SHARE = 64
"""Of the machine's memory all rings of a kind together have one part in so many."""
_FEWEST_RING_FRAMES = 32
_RING_BLOCK = 64 * 1024
_RING_HEADER = 128
"""The kernel's words before a frame, with room for a tag."""


class Ring(NamedTuple):
    """Memory that the kernel writes received frames to."""

    frame_size: int
    """Octets, what the kernel says of the frame included; a power of two."""
    frames: int


NO_RING = Ring(0, 0)


def ring_for(length: int, frames_wanted: int = 1024, most_octets: int = _MOST_RING_OCTETS) -> Ring:
    """For frames of at most this length: room for so many, or for what a share of the memory holds.

    A reader who is kept away for a while loses nothing as long as the ring holds what comes meanwhile: pace times
    that while is what to want. Both numbers are powers of two, so that half of a ring is one too.
    """
    frame_size = _power_of_two(max(length + _RING_HEADER, 2048))
    most = min(memory() // _RING_SHARE, most_octets) // frame_size
    frames = _power_of_two(max(frames_wanted, _FEWEST_RING_FRAMES))
    while frames > max(most, _FEWEST_RING_FRAMES):
        frames //= 2
    return Ring(frame_size, frames)


def memory() -> int:
    """The machine's, octets."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


class Stamps(Enum):
    """Which frames the kernel stamps."""

    RECEIVED = "received"
    """SO_TIMESTAMPNS."""
    BOTH = "both"
    """SO_TIMESTAMPING, which can stamp transmitted frames too."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a socket listens."""

    ethertype: int = ethernet.ETH_P_ALL
    """What it is bound to."""
    filter: bytes | None = None
    """A classic BPF program, attached and locked."""
    domain: str = "AF_PACKET"
    join_pae_group: bool = False
    promiscuous: bool = False
    ring: Ring = NO_RING
    """Where frames are put; where the kernel has no memory for it, half of it or less, or no ring at all."""
    stamps: Stamps = Stamps.RECEIVED


def open_socket(ifindex: int, options: Options, last: Callable[[], None] = lambda: None) -> socket.socket:
    """A non-blocking raw socket on an interface; calls `last` right before it hears anything.

    Raises PrivilegeError or InterfaceError.
    """
    sock = open_unbound(options.domain)
    try:
        if options.filter:
            _attach_filter(sock, options.filter)
        sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        if options.stamps is Stamps.BOTH:
            sock.setsockopt(socket.SOL_SOCKET, timestamps.SO_TIMESTAMPING, timestamps.RECEIVE)
        elif options.stamps is Stamps.RECEIVED:
            sock.setsockopt(socket.SOL_SOCKET, timestamps.SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        _ignore_outgoing(sock)
        if options.ring.frames:
            _make_ring(sock, options.ring)
        last()
        _bind(sock, ifindex, options.ethertype)
        if options.join_pae_group:
            _add_membership(sock, ifindex, PACKET_MR_MULTICAST, ethernet.PAE_GROUP)
        if options.promiscuous:
            _add_membership(sock, ifindex, PACKET_MR_PROMISC, b"")
    except OSError as error:
        sock.close()
        raise InterfaceError(str(error.strerror)) from error
    return sock


def open_unbound(domain: str = "AF_PACKET") -> socket.socket:
    """A raw socket that hears nothing yet; raises PrivilegeError, also where it serves only to ask that."""
    try:
        sock = socket.socket(DOMAINS[domain], socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    except PermissionError as error:
        raise PrivilegeError(NO_PRIVILEGE) from error
    except OSError as error:
        raise InterfaceError(f"this kernel has no AF_PACKET sockets: {error.strerror}") from error
    return sock


def kernel_drops(sock: socket.socket) -> int:
    """Frames that found the receive buffer full since the last call."""
    _, drops = _STATISTICS.unpack(sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, _STATISTICS.size))
    return int(drops)


def _attach_filter(sock: socket.socket, program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    sock_fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog)
    sock.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)


def _make_ring(sock: socket.socket, ring: Ring) -> None:
    """Before bind: while a bound socket gets its ring it can miss that its interface comes up, for good."""
    frame_size, frames = ring
    while frames:
        block = min(max(frame_size, _RING_BLOCK), frames * frame_size)
        request = _RING_REQUEST.pack(block, frames * frame_size // block, frame_size, frames)
        try:
            sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
            sock.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                return  # No rings here: mapping it will fail, and recvmsg will do.
            frames //= 2
        else:
            return


def _ignore_outgoing(sock: socket.socket) -> None:
    try:
        sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    except OSError:
        pass  # Before Linux 4.20; the reflector drops PACKET_OUTGOING and own sources itself.


def _bind(sock: socket.socket, ifindex: int, ethertype: int) -> None:
    """Bind by index: Python's own bind() takes a name, which may change hands before it is looked up."""
    address = _SOCKADDR_LL.pack(socket.AF_PACKET, socket.htons(ethertype), ifindex, 0, 0, 0, b"")
    if _libc.bind(sock.fileno(), address, len(address)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _add_membership(sock: socket.socket, ifindex: int, kind: int, address: bytes) -> None:
    request = _MEMBERSHIP.pack(ifindex, kind, len(address), address)
    sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
