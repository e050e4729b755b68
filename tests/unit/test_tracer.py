"""What a watch is told, what it leaves out, and how captured frames look to a listener."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rawechod.echo.reflector import Arrival, Drop, Policy, Reply
from rawechod.echo.tracer import RATE, TracedFrame, TracedTag, Wanted, Watch, as_received, describe
from rawechod.echo.tracing import Sink, Tracer
from rawechod.reasons import DropReason
from rawechod.wire import ethernet
from tests.unit.frames import EX1, OTHER, OWN, PEER, request

SECOND = 1_000_000_000
REPLIED = Reply(b"")
POLICY = Policy(EX1, OWN, 1500)
TAG = ethernet.Tag(0x8100, 0xA064)  # priority 5, VLAN 100


class Reader:
    """Reads, until it does not."""

    def __init__(self, wanted: Wanted | None = None) -> None:
        self.told: list[TracedFrame] = []
        self.keeps_up = True
        self.watch = Watch(wanted or Wanted(), self.told.append, lambda: self.keeps_up)

    def take(
        self, now: int = 0, interface: str = "eth1", src: bytes = PEER, answer: Reply | Drop = REPLIED
    ) -> None:
        """One frame happens."""
        frame = request(src=src)
        self.watch.take(interface, frame, Arrival(len(frame)), answer, now)


def test_a_frame_is_described() -> None:
    """Addresses, all tags, lengths with them, the decision and why."""
    frame = request(tags=bytes.fromhex("81000007"))
    told = describe("eth1", frame, Arrival(len(frame), TAG, received_at=77), Drop(DropReason.TAG_LOST))
    assert told == TracedFrame(
        at_ns=77,
        interface="eth1",
        destination="02:00:00:00:00:0a",
        source="02:00:00:00:00:0b",
        ethertype="ETH_P_802_EX1",
        tags=[TracedTag("0x8100", 100, 5, 0), TracedTag("0x8100", 7, 0, 0)],
        length=len(frame) + 4,
        decision="dropped",
        reason="tag_lost",
        meaning=DropReason.TAG_LOST.meaning,
    )


def test_a_cut_frame_is_described() -> None:
    """It has no EtherType."""
    told = describe("eth1", OWN + PEER, Arrival(12), Drop(DropReason.TOO_SHORT))
    assert (told.ethertype, told.tags, told.length) == ("", [], 12)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(), 4),
        (Wanted(interface="eth2"), 1),
        (Wanted(source=OTHER), 1),
        (Wanted(outcomes=frozenset({"replied"})), 3),
        (Wanted(outcomes=frozenset({"bad_op"})), 1),
        (Wanted(outcomes=frozenset({"bad_op", "replied"})), 4),
        (Wanted(outcomes=frozenset({"storm"})), 0),
        (Wanted(source=OTHER, interface="eth2"), 0),
    ],
)
def test_filters(wanted: Wanted, told: int) -> None:
    """By interface, source and outcome, all of which have to fit."""
    reader = Reader(wanted)
    reader.take()
    reader.take(interface="eth2")
    reader.take(src=OTHER)
    reader.take(answer=Drop(DropReason.BAD_OP))
    assert (len(reader.told), reader.watch.matched) == (told, told)


def test_no_more_than_the_rate() -> None:
    """Of a flood so many frames a second are told; the others are counted with the next one."""
    reader = Reader()
    for number in range(10 * RATE):
        reader.take(now=number * SECOND // (2 * RATE))
    assert RATE * 5 <= len(reader.told) <= RATE * 5 + 100
    assert reader.watch.matched == 10 * RATE
    reader.take(now=100 * SECOND)
    assert len(reader.told) + sum(frame.left_out for frame in reader.told) == 10 * RATE + 1


def test_a_reader_that_does_not_read() -> None:
    """It is told nothing further, and then how much it missed."""
    reader = Reader()
    reader.keeps_up = False
    for _ in range(5):
        reader.take()
    reader.keeps_up = True
    reader.take()
    assert [frame.left_out for frame in reader.told] == [5]
    assert (reader.watch.matched, reader.watch.told) == (6, 1)


@pytest.mark.parametrize("tpid", [0x8100, 0x88A8])
def test_a_captured_tag_is_taken_out(tpid: int) -> None:
    """As the kernel does it: beside the octets, whatever it says."""
    frame = request(tags=tpid.to_bytes(2) + b"\0\0")
    octets, arrival = as_received(frame, len(frame), POLICY)
    assert octets == request()
    assert arrival == Arrival(len(frame) - 4, ethernet.Tag(tpid, 0))


@pytest.mark.parametrize(("vid", "lost"), [(0, False), (100, True)])
def test_a_protocol_bound_socket_loses_it(vid: int, lost: bool) -> None:
    """A frame of a VLAN is marked as somebody else's, a priority-tagged one looks like any other."""
    frame = request(tags=b"\x81\x00" + vid.to_bytes(2))
    octets, arrival = as_received(frame, len(frame), replace(POLICY, protocol_bound=True))
    assert (octets, arrival) == (request(), Arrival(len(frame) - 4, None, other_host=lost))


def test_an_untagged_frame_stays() -> None:
    """Octets that were not kept count all the same."""
    assert as_received(request()[:15], 60, POLICY) == (request()[:15], Arrival(60))
    assert as_received(b"", 0, POLICY) == (b"", Arrival(0))


class Listener:
    """Remembers whom it tells."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.sink: Sink | None = None
        self.changes = 0

    def trace(self, sink: Sink | None) -> None:
        """Tell, or no more."""
        self.sink = sink
        self.changes += 1

    def settle_trace(self) -> None:
        """It tells things as they happen."""


def test_listeners_tell_while_somebody_watches() -> None:
    """Only those that are watched; each is told to once, and to stop when the last watch ends."""
    tracer, one, other = Tracer(lambda: 0), Listener("eth1"), Listener("eth2")
    tracer.follow([one, other])
    first, second = Reader(Wanted(interface="eth1")), Reader()
    assert tracer.start(first.watch) == ["eth1"]
    assert (one.sink is not None, other.sink is not None) == (True, False)
    assert tracer.start(second.watch) == ["eth1", "eth2"]
    assert one.sink
    one.sink(request(), Arrival(60), REPLIED)
    assert (len(first.told), len(second.told)) == (1, 1)
    tracer.stop(second.watch)
    assert (one.sink is not None, other.sink is not None) == (True, False)
    tracer.stop(first.watch)
    assert not any((one.sink, other.sink))
    assert (one.changes, other.changes) == (2, 2)


def test_a_reload_brings_other_listeners() -> None:
    """New ones tell at once, those that stay go on."""
    tracer, one, other = Tracer(lambda: 0), Listener("eth1"), Listener("eth2")
    tracer.follow([one])
    tracer.start(Reader().watch)
    tracer.follow([one, other])
    assert one.sink is not None
    assert other.sink is not None
    assert one.changes == 1


def test_what_nobody_saw_is_left_out() -> None:
    """Frames that an engine could not tell: counted with the next one, by whoever watches that interface."""
    tracer, listener = Tracer(lambda: 0), Listener("eth1")
    tracer.follow([listener])
    everything, elsewhere = Reader(), Reader(Wanted(interface="eth2"))
    for reader in (everything, elsewhere):
        tracer.start(reader.watch)
    assert listener.sink
    listener.sink.missed(7)
    listener.sink(request(), Arrival(60), REPLIED)
    assert [frame.left_out for frame in everything.told] == [7]
    assert (everything.watch.matched, everything.watch.told, elsewhere.watch.matched) == (8, 1, 0)
