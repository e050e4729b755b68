"""The fast path in C in loopback mode: it returns what the reflector returns, and the breaker learns the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from rawechod.echo import native
from rawechod.echo.breaker import MOST_LOOPS, StormBreaker
from rawechod.echo.loopback import LoopbackReflector
from rawechod.echo.reflector import Arrival, Instant, Policy, Reply
from rawechod.reasons import DropReason
from rawechod.wire import ethernet
from tests.unit import frames
from tests.unit.frames import EX1, OTHER, PAE, PEER, SESSION
from tests.unit.mutants import AMOUNT, arbitrary
from tests.unit.test_accelerator import ALL, SLOT, VALID, Bench, accelerated

QUESTIONS = SESSION ^ 1
TAGGED = frames.frame(bytes(46), ethertype=0x9000, tags=bytes.fromhex("8100a064"))
MORE = [TAGGED, frames.request(session=QUESTIONS)]
MORE += [frames.frame(bytes(46), ethertype=kind) for kind in (0x0800, 0x9000, 0)]
POLICIES = {
    "every EtherType": replace(ALL, refused=frozenset(ethernet.HOST_ETHERTYPES.values())),
    "802_EX1, bound to it": replace(ALL, ethertype=EX1, protocol_bound=True),
    "PAE": replace(ALL, ethertype=PAE),
}


@contextmanager
def bench(policy: Policy) -> Iterator[tuple[Bench, StormBreaker]]:
    """An accelerator in loopback mode, and the breaker beside it."""
    breaker = StormBreaker(QUESTIONS, b"key")
    with accelerated(native.settings(policy, 0, 0, breaker=breaker)) as fast:
        yield fast, breaker


def reflected(reflector: LoopbackReflector, octets: bytes) -> bytes | DropReason:
    """What the reflector makes of a frame that is cut as the accelerator's slots cut it."""
    answer = reflector.reflect(octets[:SLOT], Arrival(len(octets)), Instant(1, 1))
    return answer.frame if isinstance(answer, Reply) else answer.reason


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_agrees_with_the_loopback(policy: Policy) -> None:
    """Octet for octet; what it leaves alone the reflector drops, for reasons of its own."""
    reflector = LoopbackReflector(policy, StormBreaker(QUESTIONS, b"key"))
    outcomes = {"returned": 0, "dropped": 0, "left": 0}
    with bench(policy) as (fast, breaker):
        for octets in arbitrary([*VALID, *MORE], AMOUNT // 4):
            reflector.breaker.open.clear()
            reflector.breaker.look(0)
            ours, theirs = fast.answer(octets), reflected(reflector, octets)
            assert ours == theirs or (ours is None and isinstance(theirs, DropReason)), octets.hex()
            outcomes["left" if ours is None else "returned" if isinstance(ours, bytes) else "dropped"] += 1
            fast.tables.survey(breaker)
            breaker.look(0)
    assert min(outcomes.values()) > 20, outcomes


def test_the_breaker_learns_who_sends_and_how() -> None:
    """Frames a peer since it looked, behind which tags and EtherType; then it begins anew."""
    with bench(ALL) as (fast, breaker):
        for _ in range(150):
            fast.answer(TAGGED)
        fast.answer(frames.request(src=OTHER))
        fast.tables.survey(breaker)
        (asked,) = breaker.look(0).ask
        fast.tables.survey(breaker)
        again = breaker.look(0).ask
    assert (asked.peer, asked.head) == (PEER, TAGGED[12:26])
    assert again == []


def test_the_breaker_learns_the_latest_kind() -> None:
    """Not the first one, which somebody may have sent to blind it."""
    other = TAGGED[:12] + b"\x90\x01" + TAGGED[14:]
    with bench(ALL) as (fast, breaker):
        for octets in (TAGGED, *[other] * 150):
            fast.answer(octets)
        fast.tables.survey(breaker)
        (asked,) = breaker.look(0).ask
    assert asked.head == other[12:26]


def test_an_open_breaker_stops_one_peer() -> None:
    """Until it closes."""
    with bench(ALL) as (fast, breaker):
        for peers, answer in (({PEER: 1}, DropReason.STORM), ({}, TAGGED[6:12] + TAGGED[:6] + TAGGED[12:])):
            breaker.open = peers
            fast.tables.survey(breaker)
            assert fast.answer(TAGGED) == answer
            assert isinstance(fast.answer(frames.request(src=OTHER)), bytes)


def test_no_room_for_all() -> None:
    """What can't be watched is not returned; those that fell silent make room."""
    crowd = [frames.request(src=bytes([2, 9, 0, 1, *divmod(number, 256)])) for number in range(3 * MOST_LOOPS)]
    with bench(ALL) as (fast, breaker):
        answers = [fast.answer(octets) for octets in crowd]
        watched = sum(isinstance(answer, bytes) for answer in answers)
        assert MOST_LOOPS // 2 < watched <= MOST_LOOPS
        assert set(answers) - {answer for answer in answers if isinstance(answer, bytes)} == {DropReason.STORM}
        for _ in range(2):
            fast.tables.survey(breaker)
        assert isinstance(fast.answer(crowd[-1]), bytes)
