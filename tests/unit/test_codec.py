"""A probe's requests as frames, and frames as replies to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.echo.reflector import Instant, Policy, Reflector, Reply
from rawechod.probe.codec import EchoCodec, HelloCodec, Seen
from rawechod.probe.pattern import DEFAULT_PATTERN, payload
from rawechod.wire import echo, ethernet
from tests.unit.frames import EX1, NOW, OTHER, OWN, PAE, PEER, arrival, frame

SESSION = 0xA1B2C3D4
WALL = 1_800_000_000_000_000_000
REFLECTOR = Policy(ethernet.ETH_P_ALL, PEER, 9000)


def codec(ethertype: int = EX1, size: int = 60) -> EchoCodec:
    """One that probes PEER from OWN."""
    length = size - echo.overhead(ethertype)
    return EchoCodec(ethernet.Header(PEER, OWN, (), ethertype), SESSION, payload(DEFAULT_PATTERN, length))


def reply_to(request: bytes, t2: int = 0, now: Instant = NOW) -> bytes:
    """What a responder makes of a request."""
    answer = Reflector(REFLECTOR).reflect(request, arrival(request, received_at=t2), now)
    assert isinstance(answer, Reply), answer
    return answer.frame


@given(st.sampled_from([EX1, PAE, 0x0800]), st.integers(64, 9014), st.integers(0, 2**32 - 1))
def test_request(ethertype: int, size: int, seq: int) -> None:
    """It has its size to the octet, the session, seq and t1; the payload is the pattern 0, 1, 2, ..."""
    octets = codec(ethertype, size).request(seq, WALL)
    decoded = echo.decode_frame(octets)
    assert len(octets) == size
    assert decoded.header == ethernet.Header(PEER, OWN, (), ethertype)
    assert (decoded.pdu.op, decoded.pdu.session, decoded.pdu.seq, decoded.pdu.t1) == (1, SESSION, seq, WALL)
    assert (decoded.pdu.responder_seq, decoded.pdu.t2, decoded.pdu.window) == (0, 0, 0)
    assert decoded.pdu.payload == bytes(at % 256 for at in range(size - echo.overhead(ethertype)))


@pytest.mark.parametrize("ethertype", [EX1, PAE])
@pytest.mark.parametrize("size", [64, 1514])
def test_reply(ethertype: int, size: int) -> None:
    """A responder's answer is read back, intact."""
    ours = codec(ethertype, size)
    answer = reply_to(ours.request(7, WALL))
    t1_at = answer.index(WALL.to_bytes(8))
    seen = Seen(7, PEER, 0, None, 1, t1=WALL, t1_at=t1_at, window=1)
    assert ours.reply(answer, len(answer), None) == seen


@pytest.mark.parametrize(
    ("t2", "t3", "residence"), [(1000, 1500, 500), (0, 1500, 0), (1000, 1000, 0), (1500, 1000, 0), (1000, 0, 0)]
)
def test_residence(t2: int, t3: int, residence: int) -> None:
    """Where the responder stamps, in order; 0 = not known."""
    ours = codec()
    answer = reply_to(ours.request(1, WALL), t2=t2, now=Instant(0, t3))
    seen = ours.reply(answer, len(answer), None)
    assert seen is not None
    assert seen.residence == residence


@given(st.integers(60, 99), st.integers(1, 255))
def test_one_changed_octet_of_the_payload_is_corruption(at: int, change: int) -> None:
    """Wherever it is."""
    ours = codec(size=100)
    answer = bytearray(reply_to(ours.request(1, WALL)))
    answer[at] ^= change
    seen = ours.reply(bytes(answer), len(answer), None)
    assert seen is not None
    assert seen.corrupted_at == at


@pytest.mark.parametrize("ethertype", [EX1, PAE])
@pytest.mark.parametrize("change", [1, 10, -1, -6])
def test_another_length_is_corruption(ethertype: int, change: int) -> None:
    """Longer by padding, or cut."""
    ours = codec(ethertype, 100)
    answer = reply_to(ours.request(1, WALL))
    octets = answer + bytes(change) if change > 0 else answer[:change]
    seen = ours.reply(octets, len(octets), None)
    assert seen is not None
    assert seen.corrupted_at is not None


def test_longer_than_the_buffer_is_corruption() -> None:
    """The kernel's length counts, not what was kept."""
    ours = codec()
    answer = reply_to(ours.request(1, WALL))
    seen = ours.reply(answer, len(answer) + 1, None)
    assert seen is not None
    assert seen.corrupted_at is not None


def test_reply_to_another_mac_is_corruption() -> None:
    """A responder that mangles addresses."""
    ours = codec()
    answer = OTHER + reply_to(ours.request(1, WALL))[6:]
    seen = ours.reply(answer, len(answer), None)
    assert seen is not None
    assert seen.corrupted_at is not None


def _foreign() -> dict[str, bytes]:
    ours = codec()
    request = ours.request(1, WALL)
    answer = bytearray(reply_to(request))
    another_session = bytearray(answer)
    another_session[18] ^= 1
    return {
        "our own request": request,
        "another session": bytes(another_session),
        "no PDU": frame(bytes(46)),
        "real EAPOL": frame(bytes.fromhex("020000050101000501"), ethertype=PAE),
        "nothing": b"",
    }


@pytest.mark.parametrize("octets", _foreign().values(), ids=_foreign())
def test_no_reply_of_ours(octets: bytes) -> None:
    """What is not ours is not seen."""
    assert codec().reply(octets, len(octets), None) is None


def test_readdressed() -> None:
    """After a change of the interface's MAC requests leave from the new one; replies to both are intact."""
    ours = codec()
    under_way = reply_to(ours.request(1, WALL))
    ours.readdress(OTHER)
    seen = ours.reply(under_way, len(under_way), None)
    assert seen is not None
    assert seen.corrupted_at is None
    request = ours.request(1, WALL)
    assert request[6:12] == OTHER
    answer = reply_to(request)
    seen = ours.reply(answer, len(answer), None)
    assert seen is not None
    assert seen.corrupted_at is None


@pytest.mark.parametrize("ethertype", [ethernet.ETH_P_ALL, PAE])
def test_hello(ethertype: int) -> None:
    """Each HELLO answers the last request; anything else is none."""
    ours = HelloCodec(ethernet.Header(bytes(6), bytes(6), (), ethertype), ethertype)
    header = b"" if ethertype == ethernet.ETH_P_ALL else bytes(12) + b"\x88\x8e"
    answer = (header + b"HELLO").ljust(1024, b"\0")
    for seq in (1, 2):
        assert ours.request(seq, WALL) == (header + b"hello server!").ljust(1024, b"\0")
        assert ours.reply(answer, 1024, None) == Seen(seq, bytes(6), 0, None, 0, version=0, text="HELLO")
    assert ours.reply(ours.request(3, WALL), 1024, None) is None
