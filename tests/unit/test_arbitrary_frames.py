"""Whatever comes from the wire, the decoders and the reflectors take it: nothing escapes but a counted drop."""

from __future__ import annotations

import random
from collections import Counter
from itertools import cycle

import pytest

from rawechod.echo.hello import HelloReflector, hello_frame
from rawechod.echo.reflector import Arrival, Drop, Instant, Policy, Reflector, Reply
from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import echo, ethernet
from tests.unit import frames
from tests.unit.mutants import AMOUNT, arbitrary

QINQ = bytes.fromhex("88a80001 81000002")
VALID = [frames.request(ethertype=ethertype, tags=tags) for ethertype in (0x88B5, 0x888E) for tags in (b"", QINQ)]
VALID += [frames.request(dst=ethernet.BROADCAST), frames.request(op=2), frames.request(seq=2, payload=bytes(1500))]
GREETINGS = [
    hello_frame(text, number, b"hello ", b"server") for text in (b"HELLO", b"hi") for number in (3, 0x888E, 0x88B5)
]


def test_decoder() -> None:
    """Arbitrary octets are a frame or a MalformedFrameError; all of its reasons occur, and good frames."""
    outcomes: Counter[DropReason | str] = Counter()
    for octets in arbitrary(VALID):
        try:
            decoded = echo.decode_frame(octets)
        except MalformedFrameError as error:
            outcomes[error.reason] += 1
        else:
            outcomes["frame"] += 1
            assert echo.encode(decoded.pdu) in octets
    assert outcomes.total() == AMOUNT
    reasons = {DropReason.TOO_SHORT, DropReason.FOREIGN, DropReason.BAD_LENGTH, DropReason.BAD_MAGIC}
    assert set(outcomes) == {"frame", *reasons, DropReason.BAD_VERSION, DropReason.BAD_OP}


@pytest.mark.parametrize("ethertype", ethernet.ETHERTYPES.values(), ids=ethernet.ETHERTYPES)
def test_reflector(ethertype: int) -> None:
    """Arbitrary frames get a reply that is no longer and that nobody answers, or a Drop."""
    reflector = Reflector(Policy(ethertype, frames.OWN, 1500))
    far_end = Reflector(Policy(ethernet.ETH_P_ALL, frames.PEER, 9000))
    replies = 0
    for octets, arrival, now in _arrivals(VALID):
        answer = reflector.reflect(octets, arrival, now)
        if isinstance(answer, Reply):
            replies += 1
            assert len(answer.frame) <= arrival.length + (4 if arrival.tag else 0)
            back = far_end.reflect(answer.frame, frames.arrival(answer.frame), now)
            assert isinstance(back, Drop)
        else:
            assert isinstance(answer.reason, DropReason)
    assert replies > AMOUNT // 100


@pytest.mark.parametrize("ethertype", ethernet.ETHERTYPES.values(), ids=ethernet.ETHERTYPES)
def test_hello_reflector(ethertype: int) -> None:
    """Arbitrary frames get a HELLO that is not answered again, or a Drop."""
    reflector = HelloReflector(Policy(ethertype, ethernet.ZERO, 65536, loopback_device=True))
    replies = 0
    for octets, arrival, now in _arrivals(GREETINGS):
        answer = reflector.reflect(octets, arrival, now)
        if isinstance(answer, Reply):
            replies += 1
            back = reflector.reflect(answer.frame, frames.arrival(answer.frame), now)
            assert back in (Drop(DropReason.REPLY), Drop(DropReason.PROBE_REPLY))
        else:
            assert isinstance(answer.reason, DropReason)
    assert replies > AMOUNT // 100


def _arrivals(valid: list[bytes]) -> list[tuple[bytes, Arrival, Instant]]:
    """Arbitrary frames as a tap delivers them, most of them as ordinary ones."""
    generator = random.Random(1)
    tags = cycle([None, None, None, ethernet.Tag(0x8100, 5), ethernet.Tag(0x88A8, 0)])
    made = []
    for number, octets in enumerate(arbitrary(valid)):
        longer = generator.choice((0, 0, 0, 9000))
        odd = [generator.random() < 0.1 for _ in range(2)]
        arrival = Arrival(len(octets) + longer, next(tags), odd[0], odd[1], number)
        made.append((octets, arrival, Instant(number * 1000, number)))
    return made
