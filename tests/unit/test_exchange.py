"""The line for a high pace, whose frames are read in C, says what the codec says."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from rawechod.packet.socket import NO_RING
from rawechod.probe import exchange
from rawechod.probe.codec import EchoCodec
from rawechod.probe.exchange import Exchange
from rawechod.probe.line import CodecLine, Line
from rawechod.wire import echo, ethernet
from tests.unit import datagrams
from tests.unit.frames import EX1, OTHER, OWN, PAE, PEER
from tests.unit.mutants import arbitrary

SESSION = 0xA1B2C3D4
WALL = 1_800_000_000_000_000_000
ROOM = 200
TAG = ethernet.Tag(ethernet.TPID_C, 100)
KINDS = [(EX1, ()), (PAE, ()), (EX1, (TAG,)), (PAE, (TAG, TAG))]
"""EtherTypes and tags of requests."""


class Lines(NamedTuple):
    """Both lines, and the far end of each."""

    quick: Line
    plain: Line
    far_quick: socket.socket
    far_plain: socket.socket
    request: bytes

    def hear(self, octets: bytes) -> tuple[object, object]:
        """What each says of a frame."""
        self.far_quick.send(octets)
        self.far_plain.send(octets)
        ((quick, _),), ((plain, _),) = self.quick.hear(), self.plain.hear()
        return quick, plain


def codec(ethertype: int = EX1, tags: tuple[ethernet.Tag, ...] = (), size: int = 100) -> EchoCodec:
    """One that probes PEER from OWN."""
    return EchoCodec(ethernet.Header(PEER, OWN, tags, ethertype), SESSION, bytes(range(size - 60)))


@contextmanager
def lines(ethertype: int = EX1, tags: tuple[ethernet.Tag, ...] = ()) -> Iterator[Lines]:
    """Two lines with the same codec."""
    assert exchange.available(), "`make setup` builds it"
    with datagrams.pair() as (near, far), datagrams.pair() as (other_near, other_far):
        quick = Exchange(near, ROOM, codec(ethertype, tags), NO_RING)
        plain = CodecLine(other_near, ROOM, codec(ethertype, tags))
        yield Lines(quick, plain, far, other_far, codec(ethertype, tags).request(0, 0))
        quick.close()


@pytest.fixture(params=KINDS, ids=str)
def both(request: pytest.FixtureRequest) -> Iterator[Lines]:
    """Lines for one kind of frame."""
    with lines(*request.param) as made:
        yield made


def replies(ethertype: int, tags: tuple[ethernet.Tag, ...]) -> list[bytes]:
    """Good ones, as a socket hears them where the kernel leaves tags alone."""
    of = codec(ethertype, tags)
    header, payload = ethernet.Header(OWN, PEER, tags, ethertype), of.shape.request[of.shape.request_pdu + 46 :]
    pdus = [
        echo.EchoPdu(echo.REPLY, SESSION, seq, WALL, count, t2, inside, window, dropped, payload)
        for seq, count, t2, inside, window, dropped in (
            (1, 1, 0, 2**32 - 1, 0, 0),
            (2**32 - 1, 7, WALL, 9, 2**64 - 1, 7),
            (3, 2**32 - 1, 2**64 - 1, 1, 1, 0xFFFF),
        )
    ]
    return [echo.encode_frame(header, pdu) for pdu in pdus]


def without_numbers(octets: bytes) -> bytes:
    """A request's frame with zeros in the place of seq and t1."""
    at = echo.decode_frame(octets).offset
    return octets[: at + 8] + bytes(4) + octets[at + 12 : at + 16] + bytes(8) + octets[at + 24 :]


def test_requests_are_the_same(both: Lines) -> None:
    """Octet for octet but for the time, numbers that wrap included."""
    numbers = range(2**32 - 2, 2**32 + 3)
    for line, far in ((both.quick, both.far_quick), (both.plain, both.far_plain)):
        before = time.time_ns()
        t1s, refused = line.send(numbers)
        after = time.time_ns()
        assert refused == {}
        sent = datagrams.waiting(far)
        assert [echo.decode_frame(octets).pdu.seq for octets in sent] == [2**32 - 2, 2**32 - 1, 0, 1, 2]
        assert [echo.decode_frame(octets).pdu.t1 for octets in sent] == list(t1s)
        assert before <= t1s[0] <= t1s[-1] <= after
        assert {without_numbers(octets) for octets in sent} == {without_numbers(both.request)}


@pytest.mark.parametrize("kind", KINDS[:2], ids=str)
def test_replies(kind: tuple[int, tuple[ethernet.Tag, ...]]) -> None:
    """A good reply is read to the last field, without a look at its octets in Python."""
    with lines(*kind) as both:
        for octets in replies(*kind):
            both.far_quick.send(octets)
            both.far_plain.send(octets)
            ((seen, kept),), ((plain, _),) = both.quick.hear(), both.plain.hear()
            assert seen == plain
            assert seen is not None
            assert seen.corrupted_at is None
            assert kept.frame == b""


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_arbitrary_frames(kind: tuple[int, tuple[ethernet.Tag, ...]]) -> None:
    """Whatever comes in, both lines say the same of it."""
    with lines(*kind) as both:
        for octets in arbitrary(replies(*kind), 20_000):
            quick, plain = both.hear(octets)
            assert quick == plain, octets.hex()


def test_many_at_once(both: Lines) -> None:
    """A batch of both kinds keeps its order."""
    good, wrong = replies(EX1, ())[0], replies(EX1, ())[1][:-1]
    for octets in (good, wrong, good, b"", wrong, good):
        both.far_quick.send(octets)
        both.far_plain.send(octets)
    assert [heard.seen for heard in both.quick.hear()] == [heard.seen for heard in both.plain.hear()]
    assert both.quick.hear() == []


def test_another_address(both: Lines) -> None:
    """Requests leave from the interface's new MAC, and replies to it are good ones."""
    for line in (both.quick, both.plain):
        line.readdress(OTHER)
        assert line.send([1]).refused == {}
    for far in (both.far_quick, both.far_plain):
        (octets,) = datagrams.waiting(far)
        assert octets[6:12] == OTHER
    quick, plain = both.hear(replies(EX1, ())[0])
    assert quick == plain


def test_refused_requests(both: Lines) -> None:
    """With nobody at the far end each line tells the kernel's refusals, each at its place."""
    both.far_quick.close()
    both.far_plain.close()
    refused = both.quick.send([1, 2, 3]).refused
    assert refused == both.plain.send([1, 2, 3]).refused
    assert set(refused) == {0, 1, 2}
    assert set(refused.values()) <= {errno.ECONNREFUSED, errno.EPIPE, errno.ENOTCONN, errno.ECONNRESET}


def test_a_full_queue(both: Lines) -> None:
    """What finds it full is refused, from there to the end of the batch."""
    batch = range(1, 65)
    for line in (both.quick, both.plain):
        while not (refused := line.send(batch).refused):
            pass
        assert set(refused.values()) == {errno.EAGAIN}
        assert list(refused) == list(range(min(refused), 64))
