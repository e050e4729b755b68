"""Many frames a system call: what comes in, what the kernel says beside it, what goes out."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from rawechod.packet import batch
from rawechod.packet.batch import BATCH, BatchReceiver, BatchSender
from rawechod.packet.socket import PACKET_AUXDATA, SOL_PACKET
from tests.unit import datagrams

SCM_TIMESTAMPNS, SCM_TIMESTAMPING = 35, 37
STATUS_USER, STATUS_TAG, STATUS_TPID = 1, 16, 64


def test_received_frames() -> None:
    """In order, with their octets and lengths; a longer one is cut, its length is the real one; then nothing."""
    with datagrams.pair() as (near, far):
        for octets in (b"first", b"", b"much too long"):
            far.send(octets)
        receiver = BatchReceiver(near, 8)
        assert [(one.frame, one.length) for one in receiver.receive()] == [
            *((b"first", 5), (b"", 0)),
            (b"much too", 13),
        ]
        assert receiver.receive() == []


def test_buffers_are_used_again() -> None:
    """A short frame after a long one in the same slot has nothing of it."""
    with datagrams.pair() as (near, far):
        receiver = BatchReceiver(near, 100)
        for octets in (b"x" * 100, b"short", b"y" * 60):
            far.send(octets)
            (received,) = receiver.receive()
            assert (received.frame, received.length) == (octets, len(octets))


def test_receiving_tells_errors() -> None:
    """Except that there is nothing yet."""
    with datagrams.pair() as (near, _):
        receiver = BatchReceiver(near, 10)
        assert receiver.receive() == []
        near.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            receiver.receive()


def test_stamp_of_the_kernel() -> None:
    """The receive stamp is nanoseconds since the epoch; where none is asked for it is 0."""
    with datagrams.pair() as (near, far):
        receiver = BatchReceiver(near, 100)
        far.send(b"unstamped")
        assert receiver.receive()[0].received_at == 0
        near.setsockopt(socket.SOL_SOCKET, SCM_TIMESTAMPNS, 1)
        far.send(b"stamped")
        assert receiver.receive()[0].received_at > 1_700_000_000 * 10**9


def _control(*parts: tuple[int, int, bytes], alignment: int = 8) -> bytearray:
    """Control data, each part aligned as the kernel aligns it."""
    data = bytearray()
    for level, kind, body in parts:
        data += struct.pack("@Nii", 16 + len(body), level, kind) + body
        data += bytes(-len(data) % alignment)
    return data


def _auxdata(status: int, tci: int, tpid: int) -> tuple[int, int, bytes]:
    return SOL_PACKET, PACKET_AUXDATA, struct.pack("=IIIHHHH", status, 60, 60, 0, 14, tci, tpid)


TAGS = {
    "no tag": (STATUS_USER, 0, 0, None),
    "stale numbers without the status bit": (STATUS_USER, 5, 0x8100, None),
    "802.1Q": (STATUS_TAG | STATUS_TPID, 0xA064, 0x8100, (0x8100, 0xA064)),
    "802.1ad": (STATUS_TAG | STATUS_TPID, 0x0FFF, 0x88A8, (0x88A8, 0x0FFF)),
    "vid 0, pcp 0": (STATUS_TAG | STATUS_TPID, 0, 0x8100, (0x8100, 0)),
    "no TPID told": (STATUS_TAG, 7, 0, (0x8100, 7)),
}


@pytest.mark.parametrize(("status", "tci", "tpid", "tag"), TAGS.values(), ids=TAGS)
def test_tag_from_auxdata(status: int, tci: int, tpid: int, tag: tuple[int, int] | None) -> None:
    """The status bit says whether there is a tag, never its numbers; stamps beside it are read too."""
    stamp = (socket.SOL_SOCKET, SCM_TIMESTAMPNS, struct.pack("@ll", 3, 7))
    for parts in ([stamp, _auxdata(status, tci, tpid)], [_auxdata(status, tci, tpid), stamp]):
        controls = bytearray(b"\xee" * 96)
        data = _control(*parts)
        controls[: len(data)] = data
        assert batch._ancillary(controls, 0, len(data)) == (tag, 3_000_000_007, 0)


@pytest.mark.parametrize(("kernel", "hardware"), [((3, 7), (5, 9)), ((3, 7), (0, 0)), ((0, 0), (5, 9))])
def test_stamps_of_kernel_and_nic(kernel: tuple[int, int], hardware: tuple[int, int]) -> None:
    """The first of three is the kernel's, the last the NIC's; what the second says is not looked at."""
    stamps = struct.pack("@6l", *kernel, 1, 1, *hardware)
    controls = _control((socket.SOL_SOCKET, SCM_TIMESTAMPING, stamps), _auxdata(STATUS_USER, 0, 0))
    told = [seconds * 10**9 + rest for seconds, rest in (kernel, hardware)]
    assert batch._ancillary(controls, 0, len(controls)) == (None, *told)


@pytest.mark.parametrize("alignment", [4, 8])
def test_alignment_of_the_machine(alignment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 32-bit machines parts begin at multiples of four."""
    assert struct.calcsize("@l") == batch._CONTROL_ALIGNMENT
    monkeypatch.setattr(batch, "_CONTROL_ALIGNMENT", alignment)
    drops = (socket.SOL_SOCKET, 40, bytes(4))
    parts = [
        drops,
        (socket.SOL_SOCKET, SCM_TIMESTAMPNS, struct.pack("@ll", 3, 7)),
        drops,
        _auxdata(STATUS_TAG, 7, 0),
    ]
    controls = _control(*parts, alignment=alignment)
    assert batch._ancillary(controls, 0, len(controls)) == ((0x8100, 7), 3_000_000_007, 0)


def test_no_ancillary_data() -> None:
    """What lies in the buffer from before is not looked at."""
    controls = _control(_auxdata(STATUS_TAG, 5, 0x8100))
    assert batch._ancillary(controls, 0, 0) == (None, 0, 0)


def test_sent_frames() -> None:
    """In order, whatever their number; and nothing for nothing."""
    with datagrams.pair() as (near, far):
        sender = BatchSender(near)
        assert sender.send([]) == []
        assert sender.send([b"one", b"", b"three"]) == []
        assert datagrams.waiting(far) == [b"one", b"", b"three"]


def test_a_refused_frame_leaves_the_others_alone() -> None:
    """Told by its place and errno; those before and behind it are sent."""
    with datagrams.pair() as (near, far):
        huge = bytes(near.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) + 1)
        refused = BatchSender(near).send([huge, b"a", huge, b"b", huge])
        assert refused == [(0, errno.EMSGSIZE), (2, errno.EMSGSIZE), (4, errno.EMSGSIZE)]
        assert datagrams.waiting(far) == [b"a", b"b"]


def test_full_queue_refuses_the_rest() -> None:
    """No busy loop and no exception: the rest is told as EAGAIN, what was sent is sent."""
    with datagrams.pair() as (near, far):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        numbered = [bytes([number] * 1000) for number in range(BATCH)]
        refused = BatchSender(near).send(numbered)
        sent = BATCH - len(refused)
        assert 0 < sent < BATCH
        assert refused == [(index, errno.EAGAIN) for index in range(sent, BATCH)]
        assert datagrams.waiting(far) == numbered[:sent]


def test_every_frame_can_be_refused() -> None:
    """A peer that is gone refuses each of them."""
    with datagrams.pair() as (near, far):
        far.close()
        sender = BatchSender(near)
        assert [index for index, _ in sender.send([b"a", b"b", b"c"])] == [0, 1, 2]
