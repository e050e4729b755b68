"""Wireshark's dissector on frames that were made for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rawechod.wire import echo, ethernet
from rawechod.wire.echo import EchoPdu
from tests import tshark
from tests.lab import MAC_A, MAC_B

A, B = ethernet.parse_mac(MAC_A), ethernet.parse_mac(MAC_B)
T1 = 1_763_863_200_123_456_789
REQUEST = EchoPdu(echo.REQUEST, 0xDEADBEEF, 7, T1, payload=b"abcdef")
REPLY = EchoPdu(echo.REPLY, 0xDEADBEEF, 7, T1, 5, T1 + 50_000, 40_001, 0b10111, 9, b"abcdef")
TAGS = (ethernet.Tag(0x88A8, 3), ethernet.Tag(0x8100, 0xA007))


def frame(pdu: EchoPdu, ethertype: int = ethernet.ETH_P_802_EX1, tags: tuple[ethernet.Tag, ...] = ()) -> bytes:
    """A request from A to B, or a reply back."""
    ends = (B, A) if pdu.op == echo.REQUEST else (A, B)
    return echo.encode_frame(ethernet.Header(*ends, tags, ethertype), pdu)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Where the frames go."""
    tshark.need()
    return tmp_path / "frames.pcap"


def test_every_field(capture: Path) -> None:
    """The values of a reply, to the nanosecond."""
    tshark.write(capture, [(T1, frame(REQUEST)), (T1 + 150_000, frame(REPLY))])
    names = ["version", "op", "session", "seq", "responder_seq", "t1", "t2", "residence", "window", "dropped"]
    [values] = tshark.fields(capture, [f"rawecho.{name}" for name in [*names, "payload"]], "rawecho.op == 2")
    day = "Nov 23, 2025 02:00:00"
    assert values == [
        *("2", "2", "0xdeadbeef", "7", "5"),
        *(f"{day}.123456789 UTC", f"{day}.123506789 UTC", "0.000040001"),
        *("0x0000000000000017", "9", "616263646566"),
    ]


def test_what_is_not_known_is_not_shown_as_a_value(capture: Path) -> None:
    """A request has nothing of what the responder fills in; a reply without stamps no times."""
    unstamped = replace(REPLY, t2=0, residence=echo.UNKNOWN_RESIDENCE)
    tshark.write(capture, [(T1, frame(REQUEST)), (T1 + 1, frame(unstamped))])
    assert tshark.fields(capture, ["rawecho.seq"], "rawecho.t1") == [["7"], ["7"]]
    assert tshark.fields(capture, ["rawecho.seq"], "rawecho.t2 or rawecho.residence") == []
    assert tshark.fields(capture, ["rawecho.op"], "rawecho.window or rawecho.dropped") == [["2"]]


@pytest.mark.parametrize(
    ("seq", "window", "words"),
    [
        (7, 0b1010111, "missing: 2, 4"),
        (7, 0b1111111, "none is missing"),
        (1, 1, "none is missing"),
        (99, 2**63 - 1, "missing: 36"),
        (99, 2**64 - 1, "none is missing"),
        (7, 0, "not kept"),
    ],
)
def test_the_window_in_words(capture: Path, seq: int, window: int, words: str) -> None:
    """Which requests the responder has not received, as far as this reply can say."""
    tshark.write(capture, [(T1, frame(replace(REPLY, seq=seq, window=window)))])
    assert f"({words})" in tshark.text(capture)


@pytest.mark.parametrize("tags", [(), TAGS], ids=["untagged", "tagged"])
@pytest.mark.parametrize("ethertype", [ethernet.ETH_P_802_EX1, ethernet.ETH_P_PAE, 0x9999], ids=hex)
def test_ethertypes(capture: Path, ethertype: int, tags: tuple[ethernet.Tag, ...]) -> None:
    """0x88B5, EAPOL's type and an EtherType that nobody knows, also behind tags."""
    tshark.write(capture, [(T1, frame(REQUEST, ethertype, tags)), (T1 + 1, frame(REPLY, ethertype, tags))])
    assert tshark.fields(capture, ["rawecho.op"]) == [["1"], ["2"]]


def test_decode_as(capture: Path) -> None:
    """An EtherType that somebody else dissects is ours when the user says so."""
    tshark.write(capture, [(T1, frame(REQUEST, 0x0800))])
    assert tshark.fields(capture, ["frame.number"], "rawecho") == []
    assert tshark.fields(capture, ["rawecho.seq"], "rawecho", "-d", "ethertype==0x0800,rawecho") == [["7"]]


def test_requests_and_replies_find_each_other(capture: Path) -> None:
    """With the time between them; a second reply is a duplicate, a request without any is marked."""
    other = EchoPdu(echo.REQUEST, 0xDEADBEEF, 8, T1)
    times = (T1, T1 + 150_000, T1 + 160_000, T1 + 170_000)
    tshark.write(capture, zip(times, map(frame, (REQUEST, REPLY, REPLY, other)), strict=True))
    names = ["rawecho.reply_in", "rawecho.reply_to", "rawecho.rtt"]
    assert tshark.fields(capture, names) == [
        ["2", "", ""],
        ["", "1", "0.000150000"],
        ["", "1", "0.000160000"],
        ["", "", ""],
    ]
    assert tshark.fields(capture, ["frame.number"], "rawecho.duplicate") == [["3"]]
    assert tshark.fields(capture, ["frame.number"], "rawecho.no_reply") == [["4"]]


def test_frames_that_are_none_of_ours(capture: Path) -> None:
    """0x88B5 is for everybody's experiments: what does not begin like an Echo PDU is left to others."""
    tshark.write(capture, [(T1, frame(REQUEST)[:14] + b"something else")])
    assert tshark.fields(capture, ["frame.number"], "rawecho") == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda octets: octets[:16] + b"\1" + octets[17:], "bad_version"),
        (lambda octets: octets[:17] + b"\3" + octets[18:], "bad_op"),
        (lambda octets: octets[:59], "too_short"),
        (lambda octets: octets[:18], "too_short"),
    ],
)
def test_frames_that_are_wrong(capture: Path, change: object, complaint: str) -> None:
    """Each is shown under what is wrong with it."""
    assert callable(change)
    tshark.write(capture, [(T1, change(frame(REQUEST)))])
    assert tshark.fields(capture, ["frame.number"], f"rawecho.{complaint}") == [["1"]]
