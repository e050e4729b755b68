"""The Echo PDU, alone and in frames; the example octets nail every offset of the wire format."""

from __future__ import annotations

import pytest
from hypothesis import given

from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import echo
from rawechod.wire.echo import EchoFrame, EchoPdu
from rawechod.wire.ethernet import Header, Tag
from tests.unit import frames

REQUEST = bytes.fromhex("5245 02 01 11223344 00000007 00000000 0102030405060708") + bytes(22) + b"payload"
REPLY = (
    bytes.fromhex("5245 02 02 11223344 00000007 00000009 0102030405060708")
    + bytes.fromhex("1112131415161718 21222324 3132333435363738 4142")
    + b"payload"
)
ANSWER = echo.Answer(9, 0x3132333435363738, 0x1112131415161718, 0x21222324, 0x4142)
REQUEST_PDU = EchoPdu(1, 0x11223344, 7, 0x0102030405060708, payload=b"payload")
REPLY_PDU = EchoPdu(
    *(2, 0x11223344, 7, 0x0102030405060708, 9, 0x1112131415161718, 0x21222324, 0x3132333435363738, 0x4142),
    payload=b"payload",
)
MACS = bytes.fromhex("02000000000a 02000000000b")
EXAMPLES = {"request": (REQUEST, REQUEST_PDU), "reply": (REPLY, REPLY_PDU)}


@pytest.mark.parametrize(("octets", "pdu"), EXAMPLES.values(), ids=EXAMPLES)
def test_pdu_example(octets: bytes, pdu: EchoPdu) -> None:
    """Known octets are this PDU, and this PDU is those octets."""
    assert echo.decode(octets) == pdu
    assert echo.encode(pdu) == octets


@pytest.mark.parametrize(
    ("ethertype", "tags", "envelope"),
    [
        ("88b5", "", ""),
        ("888e", "", "03ec0035"),
        ("88b5", "8100a064", ""),
        ("888e", "88a80001 81000002", "03ec0035"),
    ],
)
def test_frame_example(ethertype: str, tags: str, envelope: str) -> None:
    """A request's frame: under an EtherType of its own, under ETH_P_PAE, with tags in the octets."""
    octets = MACS + bytes.fromhex(tags + ethertype + envelope) + REQUEST
    tag_octets = bytes.fromhex(tags)
    numbers = [int.from_bytes(tag_octets[at : at + 2]) for at in range(0, len(tag_octets), 2)]
    inside = tuple(Tag(tpid, tci) for tpid, tci in zip(numbers[::2], numbers[1::2], strict=True))
    header = Header(MACS[:6], MACS[6:], inside, int(ethertype, 16))
    assert echo.decode_frame(octets) == EchoFrame(header, REQUEST_PDU, octets.index(REQUEST))
    assert echo.encode_frame(header, REQUEST_PDU) == octets


def test_turning_a_request_into_its_reply() -> None:
    """op, responder_seq and what stands behind t1 change, nothing else; `dropped` wraps."""
    data = bytearray(b"before" + REQUEST)
    echo.turn_into_reply(data, 6, ANSWER._replace(dropped=0x34142))
    assert data == b"before" + REPLY


def test_pdu_fits_the_minimum_frame() -> None:
    """Header and PDU are 60 octets, in the envelope 64."""
    assert echo.overhead(0x88B5) == 60
    assert echo.overhead(0x888E) == 64


LARGEST = 2**32 - 2
UNKNOWN = 2**32 - 1


@pytest.mark.parametrize(
    ("t2", "t3", "field"),
    [
        (9, 14, 5),
        (9, 9, 0),
        (0, 14, UNKNOWN),
        (9, 8, UNKNOWN),
        (1, LARGEST + 1, LARGEST),
        (1, LARGEST + 2, UNKNOWN),
    ],
)
def test_residence(t2: int, t3: int, field: int) -> None:
    """All ones where it is not known, or more than the field holds."""
    assert echo.residence(t2, t3) == field


@given(frames.pdus)
def test_pdu_round_trip(pdu: EchoPdu) -> None:
    """What was encoded is decoded."""
    assert echo.decode(echo.encode(pdu)) == pdu


@given(frames.headers(frames.some_carrying), frames.pdus)
def test_frame_round_trip(header: Header, pdu: EchoPdu) -> None:
    """What was encoded is decoded, and `offset` is where the PDU begins."""
    octets = echo.encode_frame(header, pdu)
    decoded = echo.decode_frame(octets)
    assert (decoded.header, decoded.pdu) == (header, pdu)
    assert octets[decoded.offset :].startswith(echo.encode(pdu))


def _changed(at: int, value: int) -> bytes:
    return REQUEST[:at] + bytes([value]) + REQUEST[at + 1 :]


REFUSED = {
    "empty": (b"", DropReason.TOO_SHORT),
    "one octet short": (REQUEST[:45], DropReason.TOO_SHORT),
    "short, whatever else is wrong": (bytes(45), DropReason.TOO_SHORT),
    "first octet of the magic": (_changed(0, 0x53), DropReason.BAD_MAGIC),
    "second octet of the magic": (_changed(1, 0x46), DropReason.BAD_MAGIC),
    "version 0": (_changed(2, 0), DropReason.BAD_VERSION),
    "version 1": (_changed(2, 1), DropReason.BAD_VERSION),
    "op 0": (_changed(3, 0), DropReason.BAD_OP),
    "op 3": (_changed(3, 3), DropReason.BAD_OP),
    "bad magic goes before version and op": (bytes(46), DropReason.BAD_MAGIC),
}


@pytest.mark.parametrize(("octets", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(octets: bytes, reason: DropReason) -> None:
    """What is no Echo PDU, and why."""
    with pytest.raises(MalformedFrameError) as caught:
        echo.decode(octets)
    assert caught.value.reason is reason


@pytest.mark.parametrize("length", [0x0000, 0x0040, 0x05FF])
def test_a_length_is_no_ethertype(length: int) -> None:
    """An IEEE 802.3 length field makes the frame foreign, whatever follows."""
    with pytest.raises(MalformedFrameError) as caught:
        echo.decode_frame(MACS + length.to_bytes(2) + REQUEST)
    assert caught.value.reason is DropReason.FOREIGN


def test_empty_payload() -> None:
    """A PDU of 46 octets is complete."""
    assert echo.decode(REQUEST[:46]).payload == b""
