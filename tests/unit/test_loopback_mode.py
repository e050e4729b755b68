"""`mode = "loopback"`: what goes back, what does not and why; and the breaker between two of a kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rawechod.echo.breaker import MOST_KINDS, MOST_LOOPS, PATIENCE, PAUSE, SUSTAINED, Question, StormBreaker
from rawechod.echo.loopback import LoopbackReflector, question_frame
from rawechod.echo.reflector import Arrival, Drop, Instant, Policy, Reply
from rawechod.reasons import DropReason
from rawechod.wire import echo, ethernet
from tests.unit.frames import EX1, NOW, OTHER, OWN, PAE, PEER, SESSION, arrival, eapol, frame, pdu, request

HOSTS = frozenset(ethernet.HOST_ETHERTYPES.values())
POLICY = Policy(ethernet.ETH_P_ALL, OWN, mtu=1500, refused=HOSTS)
QUESTIONS = 0x0BADCAFE
GROUP = bytes.fromhex("01005e000001")
Q = bytes.fromhex("81000002")
BODY = bytes(range(46))


def loopback(policy: Policy = POLICY, rate_limit: int = 0, peer_rate_limit: int = 0) -> LoopbackReflector:
    """A reflector whose breaker asks with the session QUESTIONS."""
    return LoopbackReflector(policy, StormBreaker(QUESTIONS, b"key"), rate_limit, peer_rate_limit)


RETURNED = {
    "any EtherType": frame(BODY, ethertype=0x9000),
    "a tag": frame(BODY, ethertype=0x9000, tags=Q),
    "two tags": frame(BODY, tags=bytes.fromhex("88a80001 81000002")),
    "an 802.3 length": frame(BODY, ethertype=46),
    "a bare header": frame(b""),
    "an echo request": request(),
    "an echo of another version": request(op=2, version=1),
    "octets that begin like a reply": frame(b"RE\1\2"),
    "the MTU": frame(bytes(1500)),
    "the MTU and a tag": frame(bytes(1500), tags=Q),
}


@pytest.mark.parametrize("octets", RETURNED.values(), ids=RETURNED)
def test_goes_back_untouched(octets: bytes) -> None:
    """Addresses swapped, everything else as it was."""
    answer = loopback().reflect(octets, arrival(octets), NOW)
    assert answer == Reply(PEER + OWN + octets[12:])


def test_the_tag_goes_back_in_its_place() -> None:
    """The one that the kernel took out."""
    octets = frame(BODY)
    answer = loopback().reflect(octets, arrival(octets, tag=ethernet.Tag(0x88A8, 0xA005)), NOW)
    assert answer == Reply(PEER + OWN + bytes.fromhex("88a8a005") + octets[12:])


DROPPED = {
    "no header": (DropReason.TOO_SHORT, OWN + PEER),
    "a tag that is cut": (DropReason.TOO_SHORT, OWN + PEER + b"\x81\x00\x00\x00"),
    **{f"EtherType {number:#x}": (DropReason.FOREIGN, frame(BODY, ethertype=number)) for number in HOSTS},
    "a tagged one": (DropReason.FOREIGN, frame(BODY, ethertype=0x0800, tags=Q)),
    "our source": (DropReason.OWN_FRAME, frame(BODY, src=OWN)),
    "our source to another": (DropReason.OWN_FRAME, frame(BODY, src=OWN, dst=PEER)),
    "no source": (DropReason.BAD_SOURCE, frame(BODY, src=bytes(6))),
    "a group's source": (DropReason.BAD_SOURCE, frame(BODY, src=GROUP)),
    "to everybody": (DropReason.NOT_FOR_US, frame(BODY, dst=ethernet.BROADCAST)),
    "to a group": (DropReason.NOT_FOR_US, frame(BODY, dst=ethernet.PAE_GROUP)),
    "to another": (DropReason.NOT_FOR_US, frame(BODY, dst=OTHER)),
    "an echo reply": (DropReason.PROBE_REPLY, request(op=2)),
    "an octet above the MTU": (DropReason.TOO_LONG, frame(bytes(1501))),
}


@pytest.mark.parametrize(("reason", "octets"), DROPPED.values(), ids=DROPPED)
def test_does_not_go_back(reason: DropReason, octets: bytes) -> None:
    """Each under its reason."""
    assert loopback().reflect(octets, arrival(octets), NOW) == Drop(reason)


@pytest.mark.parametrize(
    ("policy", "told", "reason"),
    [
        (replace(POLICY, allow=frozenset({OTHER})), {}, DropReason.NOT_ALLOWED),
        (replace(POLICY, ethertype=PAE, refused=frozenset()), {}, DropReason.FOREIGN),
        (replace(POLICY, ethertype=EX1, protocol_bound=True), {"other_host": True}, DropReason.TAG_LOST),
        (POLICY, {"outgoing": True}, DropReason.OWN_FRAME),
    ],
)
def test_by_what_is_configured_or_told(policy: Policy, told: dict[str, bool], reason: DropReason) -> None:
    """The allow list, the EtherType, what the kernel says beside the frame."""
    octets = frame(BODY)
    assert loopback(policy).reflect(octets, arrival(octets, **told), NOW) == Drop(reason)


@pytest.mark.parametrize("name", ethernet.HOST_ETHERTYPES)
def test_what_is_named_goes_back(name: str) -> None:
    """One of the host's EtherTypes, and none of the others."""
    number = ethernet.HOST_ETHERTYPES[name]
    reflector = loopback(replace(POLICY, refused=HOSTS - {number}))
    for each in HOSTS:
        octets = frame(BODY, ethertype=each)
        assert isinstance(reflector.reflect(octets, arrival(octets), NOW), Reply) == (each == number)


def test_echo_replies_in_the_envelope_pass_by() -> None:
    """Also where EAPOL is returned."""
    reflector = loopback(replace(POLICY, refused=frozenset()))
    reply, other = frame(eapol(pdu(op=2)), ethertype=PAE), frame(eapol(pdu(op=2), packet_type=0), ethertype=PAE)
    assert reflector.reflect(reply, arrival(reply), NOW) == Drop(DropReason.PROBE_REPLY)
    assert isinstance(reflector.reflect(other, arrival(other), NOW), Reply)


@pytest.mark.parametrize(
    ("limits", "reason"), [((1, 0), DropReason.RATE_LIMIT), ((0, 1), DropReason.PEER_RATE_LIMIT)]
)
def test_limits(limits: tuple[int, int], reason: DropReason) -> None:
    """As in echo mode."""
    reflector, octets = loopback(POLICY, *limits), frame(BODY)
    answers = [reflector.reflect(octets, arrival(octets), NOW) for _ in range(66)]
    assert all(isinstance(answer, Reply) for answer in answers[:65])
    assert answers[65] == Drop(reason)


def storm(reflector: LoopbackReflector, frames: int, octets: bytes) -> list[Question]:
    """Receive so many frames, look: who is to be asked."""
    for _ in range(frames):
        reflector.reflect(octets, arrival(octets), NOW)
    return reflector.breaker.look(NOW.monotonic).ask


def back(asked: Question, of: LoopbackReflector, peer: bytes | None = None) -> bytes:
    """A question as a loopback returns it; or as somebody else does in its name."""
    octets = question_frame(asked, of.policy.own_mac, of.breaker.session)
    return of.policy.own_mac + (peer or asked.peer) + octets[12:]


def test_only_those_who_keep_sending_are_asked() -> None:
    """At a sustained rate, each second anew."""
    reflector, octets = loopback(), frame(BODY, tags=Q, ethertype=0x9000)
    assert storm(reflector, SUSTAINED - 1, octets) == []
    nonces = set()
    for _ in range(3):
        (asked,) = storm(reflector, SUSTAINED, octets)
        assert (asked.peer, asked.head) == (PEER, Q + b"\x90\x00")
        nonces.add(asked.nonce)
    assert len(nonces) == 3


def test_all_late_kinds_of_frames_are_asked_behind() -> None:
    """A few, the first ones forgotten: nobody blinds it by what the peer does not return."""
    reflector = loopback()
    for kind in range(0x9000, 0x9006):
        asked = storm(reflector, SUSTAINED, frame(BODY, ethertype=kind))
    heads = [kind.to_bytes(2) for kind in range(0x9000, 0x9006)]
    assert [each.head for each in asked] == heads[-MOST_KINDS:]


HEADS = {
    "plain": (b"\x90\x00", (), 0x9000),
    "a tag": (Q + b"\x90\x00", (ethernet.Tag(0x8100, 2),), 0x9000),
    "EAPOL": (b"\x88\x8e", (), PAE),
    "an 802.3 length": (b"\x00\x2e", (), EX1),
    "cut from a frame by the program": (Q + b"\x90\x00" + bytes(8), (ethernet.Tag(0x8100, 2),), 0x9000),
    "three tags": (Q * 3 + b"\x90\x00", (ethernet.Tag(0x8100, 2),) * 2, EX1),
}


@pytest.mark.parametrize(("head", "tags", "ethertype"), HEADS.values(), ids=HEADS)
def test_the_question_takes_the_same_way(head: bytes, tags: tuple[ethernet.Tag, ...], ethertype: int) -> None:
    """An echo request behind the tags and the EtherType of the peer's own frames."""
    asked = question_frame(Question(PEER, head, 7), OWN, QUESTIONS)
    found = echo.decode_frame(asked)
    assert found.header == ethernet.Header(PEER, OWN, tags, ethertype)
    assert (found.pdu.op, found.pdu.session, found.pdu.t1) == (echo.REQUEST, QUESTIONS, 7)
    assert len(asked) >= ethernet.MINIMUM_FRAME


def test_a_question_that_comes_back_opens_the_breaker() -> None:
    """For that peer alone, and for a while; it is told once, and when frames are returned again."""
    reflector = loopback()
    breaker, octets, others = reflector.breaker, frame(BODY), frame(BODY, src=OTHER)
    (asked,) = storm(reflector, SUSTAINED, octets)
    returned = back(asked, reflector)
    for _ in range(2):
        assert reflector.reflect(returned, arrival(returned), NOW) == Drop(DropReason.STORM)
    assert reflector.reflect(octets, arrival(octets), NOW) == Drop(DropReason.STORM)
    assert isinstance(reflector.reflect(others, arrival(others), NOW), Reply)
    assert (breaker.news(), breaker.news()) == ([PEER], [])
    assert storm(reflector, SUSTAINED, octets) == []
    assert breaker.look(NOW.monotonic + PAUSE - 1).closed == []
    assert breaker.look(NOW.monotonic + PAUSE).closed == [PEER]
    assert isinstance(reflector.reflect(octets, arrival(octets), NOW), Reply)


def test_a_question_proves_something_of_the_one_who_was_asked() -> None:
    """Neither of another, nor what nobody asked, nor twice, nor for ever."""
    reflector, octets = loopback(), frame(BODY)
    (asked,) = storm(reflector, SUSTAINED, octets)
    in_vain = [back(asked, reflector, OTHER), back(asked._replace(nonce=asked.nonce ^ 1), reflector)]
    for returned in in_vain:
        assert reflector.reflect(returned, arrival(returned), NOW) == Drop(DropReason.STORM)
    late = Instant(NOW.monotonic + PATIENCE, NOW.wall)
    reflector.reflect(back(asked, reflector), arrival(in_vain[0]), late)
    assert reflector.breaker.open == {}


def test_questions_are_forgotten() -> None:
    """However many are asked, those of a few seconds are remembered."""
    reflector = loopback()
    for second in range(20):
        for _ in range(SUSTAINED):
            reflector.reflect(frame(BODY), arrival(frame(BODY)), NOW)
        reflector.breaker.look(second * 1_000_000_000)
    assert len(reflector.breaker._pending) == PATIENCE // 1_000_000_000


@pytest.mark.parametrize("octets", [request(op=2, session=QUESTIONS), request(session=SESSION)])
def test_other_echoes_open_nothing(octets: bytes) -> None:
    """An answer to the question, or somebody else's request."""
    reflector = loopback()
    reflector.reflect(octets, arrival(octets), NOW)
    assert reflector.breaker.open == {}


def test_two_loopbacks_face_each_other() -> None:
    """One frame between two goes round until each has looked once; then it is gone."""
    a, b = loopback(), loopback(replace(POLICY, own_mac=PEER))
    b.breaker.session += 1
    wire = [(b, frame(BODY, src=OWN, dst=PEER))]
    for hop in range(10 * SUSTAINED):
        reflector, octets = wire.pop(0)
        answer = reflector.reflect(octets, Arrival(len(octets)), Instant(hop, hop))
        other = a if reflector is b else b
        if isinstance(answer, Reply):
            wire.append((other, answer.frame))
        if hop % (3 * SUSTAINED) == 0:
            for each, own in ((a, OWN), (b, PEER)):
                to = b if each is a else a
                wire += [
                    (to, question_frame(asked, own, each.breaker.session)) for asked in each.breaker.look(hop).ask
                ]
        if not wire:
            break
    assert wire == []
    assert a.breaker.open.keys() | b.breaker.open.keys() <= {OWN, PEER}
    assert a.breaker.open or b.breaker.open


def test_more_peers_than_can_be_watched() -> None:
    """Nothing is returned to those for whom there is no room, until others fall silent."""
    reflector = loopback()
    late = frame(BODY, src=bytes([2, 9, 0, 0, 0, 9]))
    for number in range(MOST_LOOPS):
        octets = frame(BODY, src=bytes([2, 9, 0, 1, *divmod(number, 256)]))
        assert isinstance(reflector.reflect(octets, arrival(octets), NOW), Reply)
    assert reflector.reflect(late, arrival(late), NOW) == Drop(DropReason.STORM)
    for _ in range(2):
        reflector.breaker.look(NOW.monotonic)
    assert isinstance(reflector.reflect(late, arrival(late), NOW), Reply)
