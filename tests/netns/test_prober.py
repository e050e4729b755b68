"""The prober against a responder that misbehaves: this test, frame by frame. All figures are exact.

At two paces: at the higher one the part in C reads the frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.lab import MAC_A
from tests.netns.client import Event, Probing
from tests.netns.conftest import Cable
from tests.netns.frames import REPLY, REQUEST, Echo, parse
from tests.netns.port import Port, port

MAC_T = "02:00:00:00:00:55"
"""The test's own: host b's daemon leaves it alone."""
OTHER = "02:00:00:00:00:99"
PATIENT = ("-W", "10s")
UNKNOWN = 2**32 - 1
"""The residence of a responder that does not know it."""
Start = Callable[..., Probing]


@pytest.fixture
def far(cable: Cable) -> Iterator[Port]:
    """The other end of the cable."""
    with port(cable.b) as made:
        yield made


@pytest.fixture(params=["1ms", "50us"])
def probe(cable: Cable, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start a probe of MAC_T from host a."""
    started: list[Probing] = []

    def start(*arguments: str) -> Probing:
        pace = () if "-i" in arguments else ("-i", request.param)
        started.append(Probing(cable.ours, *pace, *arguments, MAC_T))
        return started[-1]

    yield start
    for each in started:
        each.close()


def reply(frame: bytes, **fields: int) -> Echo:
    """A good answer, with these fields of the PDU."""
    asked = parse(frame)
    pdu = asked.pdu._replace(op=REPLY, responder_seq=asked.pdu.seq)._replace(**fields)
    return asked._replace(dst=asked.src, src=MAC_T, pdu=pdu)


def counts(summary: Event) -> dict[str, int]:
    """Of all that can be counted, what is not zero."""
    names = ("sent", "received", "lost", "late", "duplicates", "reordered", "corrupted", "strangers")
    return {name: summary[name] for name in (*names, "outstanding") if summary[name]}


def test_requests_are_well_formed(far: Port, probe: Start) -> None:
    """Numbered from 1, all of one session, op 1, nothing stamped but t1."""
    run = probe("-c", "3", "-s", "100", *PATIENT)
    asked = [parse(frame) for frame in (far.receive(), far.receive(), far.receive())]
    assert [echo.pdu.seq for echo in asked] == [1, 2, 3]
    assert len({echo.pdu.session for echo in asked}) == 1
    assert 0 < asked[0].pdu.t1 <= asked[1].pdu.t1 <= asked[2].pdu.t1
    for echo in asked:
        assert (echo.dst, echo.src, echo.tags, len(echo.octets())) == (MAC_T, MAC_A, (), 100)
        assert (echo.pdu.op, *echo.pdu[3:4], *echo.pdu[5:9]) == (REQUEST, 0, 0, 0, 0, 0)
    far.send(*(reply(echo.octets()).octets() for echo in asked))
    assert counts(run.summary()) == {"sent": 3, "received": 3}


def test_sessions_differ(far: Port, probe: Start) -> None:
    """Each run has a number of its own."""
    sessions = set()
    for _ in range(3):
        run = probe("-c", "1", *PATIENT)
        asked = far.receive()
        sessions.add(parse(asked).pdu.session)
        far.send(reply(asked).octets())
        run.summary()
    assert len(sessions) == 3


def test_duplicates(far: Port, probe: Start) -> None:
    """Each extra copy is a duplicate, and no second reply."""
    run = probe("-c", "3", *PATIENT)
    answers = [reply(far.receive()).octets() for _ in range(3)]
    far.send(answers[0], answers[0], answers[0], answers[1], answers[0], answers[2])
    summary = run.summary()
    assert counts(summary) == {"sent": 3, "received": 3, "duplicates": 3}
    assert summary["responders"][0]["duplicates"] == 3
    assert run.wait() == 0


@pytest.mark.parametrize(("order", "reordered"), [((1, 3, 2), 1), ((3, 2, 1), 2), ((1, 5, 2, 3, 4, 6), 3)])
def test_reordering(far: Port, probe: Start, order: tuple[int, ...], reordered: int) -> None:
    """RFC 4737: every reply below the next expected number."""
    run = probe("-c", str(len(order)), *PATIENT)
    answers = [reply(far.receive()).octets() for _ in order]
    far.send(*(answers[seq - 1] for seq in order))
    assert counts(run.summary()) == {"sent": len(order), "received": len(order), "reordered": reordered}


def test_late_reply_is_late_and_its_request_lost(far: Port, probe: Start) -> None:
    """Not lost and received both, and its time is told."""
    run = probe("-c", "0", "-i", "20ms", "-W", "20ms")
    first = far.receive()
    assert run.event("lost")["seq"] == 1
    far.send(reply(first).octets())
    late = run.event("late")
    assert (late["seq"], late["mac"]) == (1, MAC_T)
    assert late["rtt_ns"] > 20_000_000
    summary = run.interrupt()
    assert (summary["late"], summary["received"], summary["rtt_ns"]) == (1, 0, None)
    assert summary["lost"] + summary["outstanding"] == summary["sent"]
    assert run.wait() == 1


def test_corrupted_payload(far: Port, probe: Start) -> None:
    """One flipped bit, an octet less and an octet more: received, and counted as corrupted."""
    run = probe("-c", "4", "-s", "200", *PATIENT)
    answers = [reply(far.receive()) for _ in range(4)]
    flipped = bytearray(answers[0].payload)
    flipped[-1] ^= 1
    far.send(
        answers[0]._replace(payload=bytes(flipped)).octets(),
        answers[1].octets()[:-1],
        answers[2].octets() + b"\0",
        answers[3].octets(),
    )
    assert [run.event("reply")["corrupted"] for _ in range(4)] == [True, True, True, False]
    assert counts(run.summary()) == {"sent": 4, "received": 4, "corrupted": 3}


def test_strangers_are_not_the_target(far: Port, probe: Start) -> None:
    """A good answer from a MAC that was not asked is no answer."""
    run = probe("-c", "2", "-W", "300ms")
    first, second = far.receive(), far.receive()
    far.send(reply(first)._replace(src=OTHER).octets(), reply(second).octets())
    summary = run.summary()
    assert counts(summary) == {"sent": 2, "received": 1, "lost": 1, "strangers": 1}
    assert [one["mac"] for one in summary["responders"]] == [MAC_T]


def test_nobody_answers_from_a_group(far: Port, cable: Cable) -> None:
    """Anybody may answer a group, but not from a group or the zero address."""
    run = Probing(cable.ours, "-c", "1", "-W", "300ms", "broadcast")
    try:
        asked = far.receive()
        sources = (OTHER, "01:80:c2:00:00:03", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00")
        far.send(*(reply(asked)._replace(src=source).octets() for source in sources))
        summary = run.summary()
    finally:
        run.close()
    assert OTHER in [one["mac"] for one in summary["responders"]]
    assert not {one["mac"] for one in summary["responders"]} & set(sources[1:])
    assert summary["strangers"] == 3


def test_answers_to_what_was_never_asked(far: Port, probe: Start) -> None:
    """Other sessions, requests, numbers from the future or the past: none is taken for a reply."""
    run = probe("-c", "1", *PATIENT)
    asked = far.receive()
    session = parse(asked).pdu.session
    wrong = [{"session": session ^ 1}, {"op": REQUEST}, {"seq": 0}, {"seq": 2}, {"seq": 2**32 - 1}]
    wrong += [{"version": 1}, {"magic": 0x4552}, {"op": 3}]
    far.send(*(reply(asked, **fields).octets() for fields in wrong), reply(asked).octets())
    summary = run.summary()
    assert (summary["sent"], summary["received"], summary["duplicates"]) == (1, 1, 0)
    assert (summary["corrupted"], summary["strangers"]) == (3, 0)  # Numbers that were never sent.
    assert summary["rtt_ns"]["min"] > 0


def test_loss(far: Port, probe: Start) -> None:
    """Every second answer is missing."""
    run = probe("-c", "10", "-W", "300ms")
    answers = [reply(far.receive()).octets() for _ in range(10)]
    far.send(*answers[::2])
    summary = run.summary()
    assert counts(summary) == {"sent": 10, "received": 5, "lost": 5}
    assert (summary["loss_ratio"], summary["responders"][0]["requests_seen"]) == (0.5, 9)
    assert run.wait() == 0


def test_loss_on_the_way_there_and_back(far: Port, probe: Start) -> None:
    """The window tells them apart: the responder saw two of three, one answer was lost."""
    run = probe("-c", "3", "-W", "300ms")
    far.receive()
    far.receive()
    far.send(reply(far.receive(), responder_seq=2, window=0b101).octets())
    summary = run.summary()
    assert counts(summary) == {"sent": 3, "received": 1, "lost": 2}
    assert summary["responders"][0]["requests_seen"] == 2
    assert (summary["lost_forward"], summary["lost_backward"]) == (1, 1)


def test_residence(far: Port, probe: Start) -> None:
    """Subtracted where it is stamped and can be true; never a negative time, whatever the far clock did."""
    stamps = [7, 0, UNKNOWN, 2**31]
    run = probe("-c", str(len(stamps)), *PATIENT)
    for inside in stamps:
        far.send(reply(far.receive(), t2=1000, residence=inside).octets())
    events = [run.event("reply") for _ in stamps]
    assert [event["residence_ns"] for event in events] == [7, 0, 0, 0]
    assert all(event["rtt_ns"] > 0 for event in events)
    summary = run.summary()
    assert counts(summary) == {"sent": len(stamps), "received": len(stamps)}
    assert summary["unusable_stamps"] == 1


def test_stamps_of_no_clock(far: Port, probe: Start) -> None:
    """A responder that says it is 1970 tells no one-way delay, and that is counted."""
    run = probe("-c", "3", "--one-way", *PATIENT)
    for t2 in (1, 2**63, 0):
        far.send(reply(far.receive(), t2=t2, residence=1).octets())
    assert [run.event("reply")["forward_ns"] for _ in range(3)] == [None] * 3
    summary = run.summary()
    assert (summary["forward_ns"], summary["unusable_stamps"]) == (None, 2)
