"""The scripted cable itself: that it does what its script says, and logs what it did."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

import pytest

from tests.lab import wait_for
from tests.netns.cable import CLEAN, DROP, Action, Cable, Longer, Octets, Passage, Script, cable, each
from tests.netns.frames import Pdu, Tag, request
from tests.netns.port import Port, port
from tests.peers.tap import tap

LAST = bytes(60)
"""Not an echo request, after all that are."""


def numbered(*seqs: int, tags: tuple[Tag, ...] = (), size: int = 100) -> list[bytes]:
    """Requests."""
    return [request(tags=tags, size=size, pdu=Pdu(seq=seq)) for seq in seqs]


def seqs(log: list[Passage], way: str = "there") -> list[int]:
    """Those of the frames that went on, in their order."""
    return [passage.seq for passage in log if passage.way == way and passage.sent_at and passage.op]


@pytest.fixture(scope="module")
def lasting(root: None) -> Iterator[Cable]:
    """A cable without a script."""
    with contextlib.closing(Cable()) as made:
        yield made


def carry(lasting: Cable, script: Script, *frames: bytes) -> tuple[list[bytes], list[Passage]]:
    """Send frames from a to b: what arrives, up to a last frame, and the log."""
    with lasting.forwarding(script) as forwarding, port(lasting.a) as a, port(lasting.b) as b:
        a.send(*frames, LAST)
        arrived = list(_until_last(b))
        return arrived, forwarding.finish()


def _until_last(b: Port) -> Iterator[bytes]:
    while (frame := b.receive()) != LAST:
        yield frame


def test_frames_pass_as_they_are(lasting: Cable) -> None:
    """Also with one tag and with two, at both ends of what is possible."""
    jumbo = request(size=9014)
    for host in (lasting.a, lasting.b):
        host.ip("link", "set", "eth1", "mtu", "65535")
    frames = [
        *numbered(1),
        *numbered(2, tags=(Tag(100, 7, 1),)),
        *numbered(3, tags=(Tag(0, 3),)),
        *numbered(4, tags=(Tag(7, tpid=0x88A8), Tag(8))),
        jumbo,
        jumbo[:12] + Tag(5).octets() + jumbo[12:],
        request(size=65535),
        bytes(14),
    ]
    arrived, log = carry(lasting, CLEAN, *frames)
    assert arrived == frames
    assert [passage.length for passage in log] == [len(frame) for frame in [*frames, LAST]]
    assert [passage.head for passage in log] == [frame[:72] for frame in [*frames, LAST]]


def test_what_the_log_says(lasting: Cable) -> None:
    """Of each frame: what it was, when it came and went, and what became of it."""
    script = Script({1: Action(copies=2), 2: DROP, 3: Action(xor=(99, 4))})
    _, log = carry(lasting, script, *numbered(1, 2, 3))
    assert [(one.number, one.copy, one.seq, one.dropped) for one in log] == [
        (1, 0, 1, False),
        (1, 1, 1, False),
        (2, 0, 2, True),
        (3, 0, 3, False),
        (4, 0, 0, False),
    ]
    assert all(one.received_at <= one.sent_at for one in log if not one.dropped)
    assert {(one.op, one.session, one.t1) for one in log[:4]} == {(1, Pdu().session, Pdu().t1)}
    assert [one.payload_came == one.payload_left for one in log] == [True, True, True, False, True]
    assert log[4].op == 0


def test_frames_are_swapped(lasting: Cable) -> None:
    """One that waits for two others, one that is overtaken for a time; several copies, one after the other."""
    script = Script({1: Action(behind=2), 5: Action(copies=3, behind=1)})
    arrived, log = carry(lasting, script, *numbered(1, 2, 3, 4, 5, 6, 7))
    assert seqs(log) == [2, 3, 1, 4, 6, 5, 5, 5, 7]
    assert arrived == numbered(2, 3, 1, 4, 6, 5, 5, 5, 7)


def test_a_frame_is_delayed(lasting: Cable) -> None:
    """Not before its time, and the others do not wait."""
    script = Script({1: Action(delay=30_000_000, copies=2, gap=1_000_000), 3: Action(delay=1_000_000)})
    with lasting.forwarding(script) as forwarding, port(lasting.a) as a, port(lasting.b) as b:
        a.send(*numbered(1, 2, 3))
        assert [b.receive() for _ in range(4)] == numbered(2, 3, 1, 1)
        log = forwarding.finish()
    delays = [one.sent_at - one.received_at for one in log]
    assert all(delay >= due for delay, due in zip(delays, (0, 1_000_000, 30_000_000, 31_000_000), strict=True))


def test_what_matches(lasting: Cable) -> None:
    """By their octets or their length: dropped, cut, altered; a frame's own line goes before."""
    tagged = Octets(12, b"\x81\x00")
    frames = [*numbered(1, tags=(Tag(9, 7),)), *numbered(2), *numbered(3, size=101)]
    script = Script(matching={tagged: Action(cut=(12, 4)), Longer(100): DROP})
    assert carry(lasting, script, *frames)[0] == numbered(1, 2)
    script = Script(matching={tagged: Action(mask=(14, 0x1F))})
    assert carry(lasting, script, *frames)[0] == [*numbered(1, tags=(Tag(9),)), *frames[1:]]
    script = Script({2: Action(copies=2), 4: Action()}, {Octets(0, frames[0][:6]): DROP}, rest=DROP)
    assert carry(lasting, script, *frames)[0] == numbered(2, 2)


def test_what_is_too_long_for_the_far_end_is_refused(root: None) -> None:
    """As by a switch: the log says so."""
    with cable() as made, port(made.a) as a, port(made.b) as b:
        made.a.ip("link", "set", "eth1", "mtu", "9000")
        a.send(request(size=2000), LAST)
        assert b.receive() == LAST
        log = made.forwarding.finish()
    assert [(one.length, bool(one.sent_at), one.error) for one in log] == [
        (2000, False, errno.ENOBUFS),
        (60, True, 0),
    ]


def test_both_ways_have_a_script_of_their_own(lasting: Cable) -> None:
    """And numbers of their own."""
    with (
        lasting.forwarding(each(DROP, 2), each(DROP, 1)) as forwarding,
        port(lasting.a) as a,
        port(lasting.b) as b,
    ):
        a.send(*numbered(1, 2, 3))
        assert [b.receive(), b.receive()] == numbered(1, 3)
        b.send(*numbered(1, 2))
        assert a.receive() == numbered(2)[0]
        log = forwarding.finish()
    assert (seqs(log, "there"), seqs(log, "back")) == ([1, 3], [2])
    accounts = forwarding.accounts
    assert [(accounts[way].received, accounts[way].sent) for way in ("there", "back")] == [(3, 2), (2, 1)]


def test_what_still_waits_at_the_end_is_logged(lasting: Cable) -> None:
    """It never went on."""
    with lasting.forwarding(Script({1: Action(behind=9), 2: Action(delay=10**12)})) as forwarding:
        with tap(lasting.middle, "near") as middle, port(lasting.a) as a:
            a.send(*numbered(1, 2, 3))
            wait_for(lambda: len(middle.seen()) == 3, "three frames in the middle")
        log = forwarding.finish()
    assert sorted((one.seq, bool(one.sent_at), one.dropped) for one in log) == [
        (1, False, False),
        (2, False, False),
        (3, True, False),
    ]
    assert forwarding.accounts["there"].held == 2
