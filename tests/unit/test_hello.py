"""`mode = "hello"`: the tutorial's server."""

from __future__ import annotations

import pytest

from rawechod.echo import hello
from rawechod.echo.hello import HelloReflector
from rawechod.echo.reflector import Drop, Instant, Policy, Reply
from rawechod.reasons import DropReason
from rawechod.wire import ethernet
from tests.unit.frames import NOW, PAE, arrival

GREETING = b"hello server!".ljust(1024, b"\0")
HELLO = b"HELLO".ljust(1024, b"\0")
PAE_HEADER = bytes(12) + b"\x88\x8e"
LO = Policy(ethernet.ETH_P_ALL, bytes(6), 65536, loopback_device=True)
LO_PAE = Policy(PAE, bytes(6), 65536, loopback_device=True)


def test_all_needs_no_header() -> None:
    """Under ETH_P_ALL the text begins at the first octet, both ways; the reply is 1024 octets long."""
    assert HelloReflector(LO).reflect(GREETING, arrival(GREETING), NOW) == Reply(HELLO)


def test_pae_has_a_header() -> None:
    """Under ETH_P_PAE a header stands before the text, addressed to the asker, within the 1024 octets."""
    asker = bytes.fromhex("0200000000ff")
    octets = bytes.fromhex("020000000001") + asker + b"\x88\x8ehello server!"
    expected = (asker + bytes(6) + b"\x88\x8eHELLO").ljust(1024, b"\0")
    assert HelloReflector(LO_PAE).reflect(octets, arrival(octets), NOW) == Reply(expected)


DROPS = {
    "its own HELLO": (LO, HELLO, False, DropReason.REPLY),
    "a text that begins with HELLO": (LO, b"HELLO server!!", False, DropReason.REPLY),
    "another listener's HELLO behind a header": (LO, PAE_HEADER + HELLO, False, DropReason.REPLY),
    "its own HELLO under PAE": (LO_PAE, PAE_HEADER + HELLO, False, DropReason.REPLY),
    "a bare HELLO under PAE": (LO_PAE, b"HELLO" + bytes(7) + b"\x88\x8e", False, DropReason.REPLY),
    "another EtherType": (LO_PAE, bytes(12) + b"\x88\xb5hello server!", False, DropReason.FOREIGN),
    "a bare greeting under PAE": (LO_PAE, GREETING, False, DropReason.FOREIGN),
    "outgoing": (LO, GREETING, True, DropReason.OWN_FRAME),
    "shorter than a header": (LO, b"hello", False, DropReason.TOO_SHORT),
}


@pytest.mark.parametrize(("policy", "octets", "outgoing", "reason"), DROPS.values(), ids=DROPS)
def test_drops(policy: Policy, octets: bytes, outgoing: bool, reason: DropReason) -> None:
    """What is not answered, and why."""
    answer = HelloReflector(policy).reflect(octets, arrival(octets, outgoing=outgoing), NOW)
    assert answer == Drop(reason)


@pytest.mark.parametrize("dst", [bytes(6), ethernet.BROADCAST, b"hello "])
def test_the_destination_is_not_looked_at(dst: bytes) -> None:
    """As in the tutorial."""
    octets = dst + b"server" + b"\x88\x8e?"
    assert isinstance(HelloReflector(LO_PAE).reflect(octets, arrival(octets), NOW), Reply)


@pytest.mark.parametrize(
    ("limits", "reason"), [((50, 0), DropReason.RATE_LIMIT), ((0, 50), DropReason.PEER_RATE_LIMIT)]
)
def test_limits(limits: tuple[int, int], reason: DropReason) -> None:
    """Both limits hold here too."""
    reflector = HelloReflector(LO, *limits)
    answers = [reflector.reflect(GREETING, arrival(GREETING), Instant(10**12, 0)) for _ in range(200)]
    assert answers[0] == Reply(HELLO)
    assert answers[-1] == Drop(reason)


@pytest.mark.parametrize("ethertype", [ethernet.ETH_P_ALL, PAE])
def test_what_the_prober_sends_and_takes(ethertype: int) -> None:
    """The prober's greeting is answered, and the answer is taken for the server's HELLO; the greeting is not."""
    greeting = hello.hello_frame(hello.GREETING, ethertype, bytes(6), bytes(6))
    policy = LO if ethertype == ethernet.ETH_P_ALL else LO_PAE
    answer = HelloReflector(policy).reflect(greeting, arrival(greeting), NOW)
    assert isinstance(answer, Reply)
    assert hello.is_hello(answer.frame, ethertype)
    assert not hello.is_hello(greeting, ethertype)
