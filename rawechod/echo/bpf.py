"""libbpf through ctypes: load an object, reach its maps, attach its program to an interface."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rawechod.errors import InterfaceError

LIBRARY = "libbpf.so.1"
ATTACH_TYPE_XDP = 37
XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE = 1 << 1, 1 << 2
BPF_F_XDP_DEV_BOUND_ONLY = 1 << 6
LOG_STATISTICS = 4
"""The verifier's log level for what it complains of, without the steps to it, and how much it had to do."""
LOG_SIZE = 1 << 14
ANY = 0
RINGBUF_BUSY, RINGBUF_DISCARD, RINGBUF_HEADER = 1 << 31, 1 << 30, 8
_LINK_OPTIONS_SIZE = 16
_p, _i, _u32, _u64, _s = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "libbpf_set_print": (_p, (_p,)),
    "libbpf_num_possible_cpus": (_i, ()),
    "bpf_object__open_file": (_p, (_s, _p)),
    "bpf_object__load": (_i, (_p,)),
    "bpf_object__close": (None, (_p,)),
    "bpf_object__find_program_by_name": (_p, (_p, _s)),
    "bpf_object__find_map_fd_by_name": (_i, (_p, _s)),
    "bpf_program__fd": (_i, (_p,)),
    "bpf_program__set_autoload": (_i, (_p, ctypes.c_bool)),
    "bpf_program__set_flags": (_i, (_p, _u32)),
    "bpf_program__set_ifindex": (None, (_p, _u32)),
    "bpf_program__set_log_level": (_i, (_p, _u32)),
    "bpf_program__set_log_buf": (_i, (_p, _p, ctypes.c_size_t)),
    "bpf_map_update_elem": (_i, (_i, _p, _p, _u64)),
    "bpf_map_lookup_elem": (_i, (_i, _p, _p)),
    "bpf_map_lookup_and_delete_elem": (_i, (_i, _p, _p)),
    "bpf_map_lookup_batch": (_i, (_i, _p, _p, _p, _p, _p, _p)),
    "bpf_map_delete_elem": (_i, (_i, _p)),
    "bpf_map_get_next_key": (_i, (_i, _p, _p)),
    "bpf_link_create": (_i, (_i, _i, _u32, _p)),
}


class UnavailableError(InterfaceError):
    """This system has no eBPF for us: the library is missing, or the permission."""


class RefusedError(InterfaceError):
    """The interface takes no program of ours."""

    def __init__(self, code: int) -> None:
        hint = ": another XDP program is attached" if code in (errno.EBUSY, errno.EEXIST) else ""
        super().__init__(f"the interface takes no XDP program{hint} ({os.strerror(code)})")
        self.code = code
        """The errno."""


class _LinkOptions(ctypes.Structure):
    """The head of `struct bpf_link_create_opts`; its size tells libbpf that no more is given."""

    _fields_ = (("size", ctypes.c_size_t), ("flags", ctypes.c_uint32), ("unused", ctypes.c_uint32))


@cache
def library() -> ctypes.CDLL | None:
    """libbpf 1, None where it is not installed."""
    try:
        found = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError:
        return None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    found.libbpf_set_print(None)
    return found


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait: the kernel's verifier gives up with EAGAIN where one comes."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def first_complaint(log: bytes) -> str:
    """Of the verifier, from its log: its first line but for the figures. Empty where it has none."""
    lines = log.partition(b"\0")[0].decode("ascii", "replace").splitlines()
    figures = ("verification time", "stack depth", "processed ")
    return next((line.strip() for line in lines if line.strip() and not line.startswith(figures)), "")


class Native(NamedTuple):
    """A further program of an object, for native mode."""

    name: str
    bound_to: int | None
    """The interface whose driver it asks: what it may ask depends on which one that is. None = it asks nothing."""


class Program:
    """A loaded object with one program, or two that share its maps."""

    def __init__(self, path: Path, name: str, native: Native | None = None) -> None:
        """Raises InterfaceError, with what the kernel says; UnavailableError where it would refuse any."""
        found = library()
        if found is None:
            raise UnavailableError(f"{LIBRARY} is not installed")
        self._library = found
        self._object = found.bpf_object__open_file(str(path).encode(), None)
        if not self._object:
            raise InterfaceError(f"{path.name}: {os.strerror(ctypes.get_errno())}")
        if native:
            self._load_too(native)
        log = self._listen([name, native.name] if native else [name])
        with _undisturbed():
            code: int = found.bpf_object__load(self._object)
        if code:
            self.close()
            if -code == errno.EPERM:
                raise UnavailableError(
                    "eBPF takes CAP_BPF and CAP_NET_ADMIN: install the unit's drop-in ebpf.conf"
                )
            complaint = first_complaint(log.raw) or os.strerror(-code)
            raise InterfaceError(f"the kernel does not load the eBPF program ({complaint})")
        self.fd: int = found.bpf_program__fd(self._find(name))
        self.native_fd: int | None = found.bpf_program__fd(self._find(native.name)) if native else None

    def _find(self, name: str) -> int:
        found: int = self._library.bpf_object__find_program_by_name(self._object, name.encode())
        return found

    def _listen(self, names: list[str]) -> ctypes.Array[ctypes.c_char]:
        """A buffer for the verifier's complaints; loading ends at the first program that has any."""
        log = ctypes.create_string_buffer(LOG_SIZE)
        for name in names:
            self._library.bpf_program__set_log_level(self._find(name), LOG_STATISTICS)
            self._library.bpf_program__set_log_buf(self._find(name), log, LOG_SIZE)
        return log

    def _load_too(self, native: Native) -> None:
        program = self._find(native.name)
        self._library.bpf_program__set_autoload(program, True)
        if native.bound_to is not None:
            self._library.bpf_program__set_ifindex(program, native.bound_to)
            self._library.bpf_program__set_flags(program, BPF_F_XDP_DEV_BOUND_ONLY)

    def close(self) -> None:
        """Unload; a link that is still open keeps the program."""
        self._library.bpf_object__close(self._object)

    def map(self, name: str) -> Map:
        """A map of the object."""
        return Map(self._library, self._library.bpf_object__find_map_fd_by_name(self._object, name.encode()))

    def attach(self, ifindex: int, *, native: bool = False) -> int:
        """Run it on an interface, the other one in native mode, until the returned descriptor is closed.

        The kernel closes it when we die, however we die. Raises RefusedError.
        """
        flags, fd = (XDP_FLAGS_DRV_MODE, self.native_fd) if native else (XDP_FLAGS_SKB_MODE, self.fd)
        options = _LinkOptions(_LINK_OPTIONS_SIZE, flags)
        link: int = self._library.bpf_link_create(fd, ifindex, ATTACH_TYPE_XDP, ctypes.byref(options))
        if link < 0:
            raise RefusedError(-link)
        return link


class Map:
    """A map of a loaded object; keys and values are octets."""

    def __init__(self, found: ctypes.CDLL, fd: int) -> None:
        self._library = found
        self.fd = fd

    def update(self, key: bytes, value: bytes) -> bool:
        """Set a value; False where the map is full."""
        return not self._library.bpf_map_update_elem(self.fd, key, value, ANY)

    def lookup(self, key: bytes, size: int) -> bytes | None:
        """The value, of `size` octets, None where there is none."""
        value = ctypes.create_string_buffer(size)
        return None if self._library.bpf_map_lookup_elem(self.fd, key, value) else value.raw

    def lookup_sum(self, key: bytes) -> int:
        """The sum over all CPUs of a 64-bit value."""
        octets = self.lookup(key, 8 * self._library.libbpf_num_possible_cpus()) or b""
        return sum(memoryview(octets).cast("Q"))

    def take(self, key: bytes, size: int) -> bytes | None:
        """Remove an entry: its value, of `size` octets, None where there is none."""
        value = ctypes.create_string_buffer(size)
        gone = self._library.bpf_map_lookup_and_delete_elem(self.fd, key, value)
        return None if gone else value.raw

    def entries(self, key_size: int, size: int, most: int) -> tuple[bytes, bytes]:
        """All keys and all values of a hash that has at most so many entries, each one after the other."""
        keys, values = map(ctypes.create_string_buffer, (key_size * most, size * most))
        count, place = ctypes.c_uint32(most), ctypes.c_uint32()
        where = (None, ctypes.byref(place))
        self._library.bpf_map_lookup_batch(self.fd, *where, keys, values, ctypes.byref(count), None)
        return keys.raw[: key_size * count.value], values.raw[: size * count.value]

    def delete(self, key: bytes) -> None:
        """Remove an entry, if it is there."""
        self._library.bpf_map_delete_elem(self.fd, key)

    def keys(self, size: int, most: int, after: bytes | None = None) -> list[bytes]:
        """At most so many keys, of `size` octets, behind `after`: from the start where that is gone."""
        found: list[bytes] = []
        following = ctypes.create_string_buffer(size)
        while len(found) < most:
            last = found[-1] if found else after
            if self._library.bpf_map_get_next_key(self.fd, last, following):
                break
            found.append(following.raw)
        return found


class Ring:
    """Reads a ring buffer through the pages that the kernel shares, from what is written next on.

    libbpf would call back for each record, and ctypes needs memory that is both writable and executable for that.
    """

    def __init__(self, ring: Map, size: int) -> None:
        """`size` as in the program: its octets. Raises OSError."""
        page = mmap.PAGESIZE
        self.fd = ring.fd
        """Ready to be read while there are records."""
        self._size = size
        self._pages = (
            mmap.mmap(ring.fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE),
            mmap.mmap(ring.fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page),
        )
        # Views, for these read and write a position in one go.
        self._consumed, self._produced = (memoryview(pages).cast("Q") for pages in self._pages)
        self._records = memoryview(self._pages[1])[page:]
        self._consumed[0] = self._produced[0]

    def read(self, most: int) -> list[bytes]:
        """The next records, at most so many."""
        found: list[bytes] = []
        position, end = self._consumed[0], self._produced[0]
        while position < end and len(found) < most:
            at = position & self._size - 1
            header: int = self._records[at : at + 4].cast("I")[0]
            if header & RINGBUF_BUSY:
                break  # another CPU writes it at this moment
            length = header & ~RINGBUF_DISCARD
            if length == header:
                found.append(bytes(self._records[at + RINGBUF_HEADER : at + RINGBUF_HEADER + length]))
            position += RINGBUF_HEADER + (length + 7 & ~7)
            self._consumed[0] = position
        return found

    def close(self) -> None:
        """Give the pages back."""
        for view in (self._consumed, self._produced, self._records):
            view.release()
        for pages in self._pages:
            pages.close()
