"""Ethernet headers, tags, addresses and EtherTypes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import ethernet
from rawechod.wire.ethernet import Header, Tag
from tests.unit import frames

DST, SRC = bytes.fromhex("0180c2000003"), bytes.fromhex("02000000000b")
EXAMPLES = {
    "untagged": ("0180c2000003 02000000000b 88b5", Header(DST, SRC, (), 0x88B5)),
    "802.1Q": ("0180c2000003 02000000000b 8100 a064 888e", Header(DST, SRC, (Tag(0x8100, 0xA064),), 0x888E)),
    "802.1ad": ("0180c2000003 02000000000b 88a8 0fff 88b5", Header(DST, SRC, (Tag(0x88A8, 0x0FFF),), 0x88B5)),
    "QinQ": (
        "0180c2000003 02000000000b 88a8 0001 8100 0002 88b5",
        Header(DST, SRC, (Tag(0x88A8, 1), Tag(0x8100, 2)), 0x88B5),
    ),
    "tag of vid 0 and pcp 0": (
        "0180c2000003 02000000000b 8100 0000 88b5",
        Header(DST, SRC, (Tag(0x8100, 0),), 0x88B5),
    ),
}


@pytest.mark.parametrize(("octets", "header"), EXAMPLES.values(), ids=EXAMPLES)
def test_header_example(octets: str, header: Header) -> None:
    """Known octets are this header, and this header is those octets."""
    data = bytes.fromhex(octets)
    assert ethernet.decode_header(data + b"payload") == header
    assert ethernet.encode_header(header) == data
    assert header.length == len(data)


def test_third_tag_is_payload() -> None:
    """Behind two tags a TPID is taken as the EtherType."""
    header = ethernet.decode_header(DST + SRC + bytes.fromhex("88a80001 81000002 81000003 88b5"))
    assert (header.ethertype, len(header.tags)) == (0x8100, 2)


@pytest.mark.parametrize(("octets", "_"), EXAMPLES.values(), ids=EXAMPLES)
def test_cut_header_is_too_short(octets: str, _: Header) -> None:
    """A header that ends anywhere before its EtherType's last octet."""
    data = bytes.fromhex(octets)
    for length in range(len(data)):
        with pytest.raises(MalformedFrameError) as caught:
            ethernet.decode_header(data[:length])
        assert caught.value.reason is DropReason.TOO_SHORT


@given(frames.headers(), st.binary(max_size=40))
def test_header_round_trip(header: Header, payload: bytes) -> None:
    """What was encoded is decoded, whatever follows."""
    assert ethernet.decode_header(ethernet.encode_header(header) + payload) == header


@given(st.integers(0, 7), st.integers(0, 1), st.integers(0, 4095))
def test_tag_fields(pcp: int, dei: int, vid: int) -> None:
    """pcp has the upper three bits, dei the next, vid the lower twelve."""
    tag = Tag(0x8100, pcp * 8192 + dei * 4096 + vid)
    assert (tag.pcp, tag.dei, tag.vid) == (pcp, dei, vid)


@given(frames.macs)
def test_mac_round_trip(mac: bytes) -> None:
    """Formatted, a MAC is parsed as itself, also in capitals and with hyphens."""
    text = ethernet.format_mac(mac)
    assert {ethernet.parse_mac(form) for form in (text, text.upper(), text.replace(":", "-"))} == {mac}


@pytest.mark.parametrize(
    ("text", "mac"), [("02:00:00:00:00:0b", SRC), ("2:0:0:0:0:B", SRC), ("01-80-C2-00-00-03", DST)]
)
def test_mac_examples(text: str, mac: bytes) -> None:
    """The usual ways to write one."""
    assert ethernet.parse_mac(text) == mac


BAD_MACS = [
    "",
    "02",
    "02:00:00:00:00",
    "02:00:00:00:00:0b:0c",
    "02:00:00:00:00:0g",
    "020:0:0:0:0:0",
    "0200.0000.000b",
]
BAD_MACS += ["02:00:00:00:00:", "02:00:00:00:00:+b", "02:00:00:00:00:0x", "02:00:00:00:00:1_", "02:00:00:00:00: b"]
BAD_MACS += ["02:00:00:00:00:٣", "broadcast", " 02:00:00:00:00:0b"]


@pytest.mark.parametrize("text", BAD_MACS)
def test_bad_mac(text: str) -> None:
    """What is no MAC is refused by a sentence that shows it and a good one."""
    with pytest.raises(ValueError, match=r"is no MAC address.*02:00:00:00:00:0b") as caught:
        ethernet.parse_mac(text)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_as_mac(text: str) -> None:
    """Any text is six octets or a ValueError."""
    with contextlib.suppress(ValueError):
        assert len(ethernet.parse_mac(text)) == 6


@pytest.mark.parametrize(("mac", "group"), [(DST, True), (b"\xff" * 6, True), (SRC, False), (bytes(6), False)])
def test_group_bit(mac: bytes, group: bool) -> None:
    """The lowest bit of the first octet makes a group address."""
    assert ethernet.is_group(mac) is group


def test_well_known_numbers() -> None:
    """The numbers of the standards, in digits."""
    assert ethernet.ETHERTYPES == {"ETH_P_ALL": 3, "ETH_P_PAE": 0x888E, "ETH_P_802_EX1": 0x88B5}
    assert bytes.fromhex("0180c2000003") == ethernet.PAE_GROUP
    assert bytes(6) == ethernet.ZERO
    assert bytes([255] * 6) == ethernet.BROADCAST
    assert {0x8100, 0x88A8} == ethernet.TPIDS


@given(frames.carrying)
def test_ethertype_round_trip(ethertype: int) -> None:
    """Formatted, an EtherType is parsed as itself; as a plain number too."""
    assert ethernet.parse_ethertype(ethernet.format_ethertype(ethertype)) == ethertype
    assert ethernet.parse_ethertype(str(ethertype)) == ethertype


@pytest.mark.parametrize(
    ("text", "number"),
    [("ETH_P_ALL", 3), ("ETH_P_PAE", 0x888E), ("ETH_P_802_EX1", 0x88B5), ("0x88b6", 0x88B6), ("2048", 0x800)],
)
def test_ethertype_examples(text: str, number: int) -> None:
    """By name, in hexadecimal, in decimal."""
    assert ethernet.parse_ethertype(text) == number


@pytest.mark.parametrize("number", [0x88B5, 0x88B6, 3])
def test_ethertype_text(number: int) -> None:
    """The name where there is one, else four digits."""
    names = {0x88B5: "ETH_P_802_EX1", 0x88B6: "0x88B6", 3: "ETH_P_ALL"}
    assert ethernet.format_ethertype(number) == names[number]


BAD_ETHERTYPES = [
    "",
    "ETH_P_IP",
    "eth_p_pae",
    "0x05ff",
    "1535",
    "0x10000",
    "65536",
    "0x8100",
    "0x88A8",
    "-1",
    "88b5",
]
BAD_ETHERTYPES += ["0x", "3", "0x3", "0x88b5 ", " 0x88b5", "0x88_b5", "35_000", "+35000", "٣٥٠٠٠"]


@pytest.mark.parametrize("text", BAD_ETHERTYPES)
def test_bad_ethertype(text: str) -> None:
    """Names that nobody knows, lengths (below 0x0600), TPIDs, and what is no plain number."""
    with pytest.raises(
        ValueError, match="is no EtherType: one of ETH_P_ALL, ETH_P_PAE, ETH_P_802_EX1, or a number"
    ):
        ethernet.parse_ethertype(text)
