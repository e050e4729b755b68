"""Where a reply differs from what it should be, counted in octets on the wire, whatever the kernel took out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.echo.reflector import Policy, Reflector, Reply
from rawechod.probe.codec import EchoCodec, Seen, compare_t1
from rawechod.wire import ethernet
from rawechod.wire.ethernet import Tag
from tests.unit.frames import EX1, NOW, OWN, PAE, PEER, arrival

TAGS = [(), (Tag(0x8100, 0xA064),), (Tag(0x88A8, 1), Tag(0x8100, 2))]
PAYLOAD = bytes(range(50, 90))
REFLECTOR = Policy(ethernet.ETH_P_ALL, PEER, 1500)
SOURCE = range(6, 12)
T1 = 1_800_000_000_000_000_000


def on_the_wire(codec: EchoCodec) -> bytes:
    """A responder's reply, all of its tags in the octets."""
    request = codec.request(7, T1)
    answer = Reflector(REFLECTOR).reflect(request, arrival(request), NOW)
    assert isinstance(answer, Reply), answer
    return answer.frame


def heard(codec: EchoCodec, wire: bytes) -> Seen | None:
    """What the codec makes of octets on the wire, of which the kernel takes the outermost tag out."""
    tpid, tag, octets = int.from_bytes(wire[12:14]), None, wire
    if tpid in ethernet.TPIDS:
        tag, octets = Tag(tpid, int.from_bytes(wire[14:16])), wire[:12] + wire[16:]
    seen = codec.reply(octets, len(octets), tag)
    return seen and compare_t1(seen, T1)


def codec_with(ethertype: int, tags: tuple[Tag, ...]) -> EchoCodec:
    """One that probes PEER from OWN with these tags."""
    return EchoCodec(ethernet.Header(PEER, OWN, tags, ethertype), 0xA1B2C3D4, PAYLOAD)


@pytest.mark.parametrize("ethertype", [EX1, PAE])
@pytest.mark.parametrize("tags", TAGS)
def test_intact(ethertype: int, tags: tuple[Tag, ...]) -> None:
    """A true reply has no such octet."""
    codec = codec_with(ethertype, tags)
    seen = heard(codec, on_the_wire(codec))
    assert seen is not None
    assert (seen.seq, seen.src, seen.corrupted_at) == (7, PEER, None)


@given(st.sampled_from([EX1, PAE]), st.sampled_from(TAGS), st.integers(0, 120), st.integers(1, 255))
def test_one_changed_octet(ethertype: int, tags: tuple[Tag, ...], at: int, change: int) -> None:
    """It is found at its place, or the frame is no reply of ours any more; a lost tag is missed at its first."""
    codec = codec_with(ethertype, tags)
    wire = bytearray(on_the_wire(codec))
    at %= len(wire)
    wire[at] ^= change
    seen = heard(codec, bytes(wire))
    body = len(wire) - len(PAYLOAD) - 46
    if seen is None:
        assert 12 <= at < body + 8, "only what makes it a reply of this session can hide it"
    elif at in SOURCE or (body + 8 <= at < body + 46 and at not in range(body + 16, body + 24)):
        assert seen.corrupted_at is None, "others judge the source, the numbers and what the responder says"
    elif tags and at in (12, 13):
        assert seen.corrupted_at in (12, at)
    else:
        assert seen.corrupted_at == at


VLAN_100 = (Tag(0x8100, 0xA064),)
QINQ = (Tag(0x88A8, 0x2064), Tag(0x8100, 0x20C8))


@pytest.mark.parametrize(
    ("tags", "changed", "what"),
    [
        (VLAN_100, (Tag(0x8100, 0xA164),), "vlan"),
        (VLAN_100, (Tag(0x8100, 0xA065),), "vlan"),
        (VLAN_100, (Tag(0x8100, 0x0064),), "priority"),
        (VLAN_100, (Tag(0x8100, 0xB064),), "priority"),
        (VLAN_100, (Tag(0x8100, 0x0164),), "priority,vlan"),
        (VLAN_100, (Tag(0x88A8, 0xA064),), "tag"),
        (VLAN_100, (), "tag"),
        ((), VLAN_100, "tag"),
        (QINQ, (QINQ[0], Tag(0x8100, 0x21C8)), "vlan"),
        (QINQ, (Tag(0x88A8, 0x0064), QINQ[1]), "priority"),
        (QINQ, QINQ[1:], "tag"),
    ],
)
def test_altered_tags_have_names(tags: tuple[Tag, ...], changed: tuple[Tag, ...], what: str) -> None:
    """By their fields: VLAN 100 that became 356 is another VLAN, though the octet has the priority too."""
    codec = codec_with(EX1, tags)
    wire = on_the_wire(codec)
    octets = wire[:12] + b"".join(tag.encode() for tag in changed) + wire[12 + 4 * len(tags) :]
    seen = heard(codec, octets)
    assert seen is not None
    assert seen.altered == what


@pytest.mark.parametrize(
    ("at", "what"), [(0, "destination"), (14, "header"), (34, "t1"), (-1, "payload"), (None, "length")]
)
def test_altered_fields_have_names(at: int | None, what: str) -> None:
    """Those behind and before the tags, under EAPOL: its version is told too."""
    codec = codec_with(PAE, ())
    wire = bytearray(on_the_wire(codec))
    if at is None:
        del wire[-1]
    else:
        wire[at] ^= 3
    seen = heard(codec, bytes(wire))
    assert seen is not None
    assert seen.altered == what


def test_several_altered_fields() -> None:
    """All of them, with commas."""
    codec = codec_with(EX1, VLAN_100)
    wire = bytearray(on_the_wire(codec))
    for at in (14, 40, -1):
        wire[at] ^= 1
    seen = heard(codec, bytes(wire))
    assert seen is not None
    assert seen.altered == "vlan,payload,t1"


@pytest.mark.parametrize(("other", "at"), [(54, 30), (20, 20), (30, 30)])
def test_the_first_difference_is_told(other: int, at: int) -> None:
    """Of t1 and something else: what stands before the other."""
    codec = codec_with(EX1, ())
    seen = heard(codec, on_the_wire(codec))
    assert seen is not None
    assert compare_t1(seen._replace(corrupted_at=other), T1 ^ 1 << 63).corrupted_at == at


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("missing", [1, 10, 40])
def test_cut_or_padded(tags: tuple[Tag, ...], missing: int) -> None:
    """Where the payload ends too early, or where it should have ended."""
    codec = codec_with(EX1, tags)
    wire = on_the_wire(codec)
    cut, padded = heard(codec, wire[:-missing]), heard(codec, wire + bytes(missing))
    assert cut is not None
    assert padded is not None
    assert (cut.corrupted_at, padded.corrupted_at) == (len(wire) - missing, len(wire))


@pytest.mark.parametrize("tags", TAGS[1:])
def test_lost_outer_tag(tags: tuple[Tag, ...]) -> None:
    """A switch that takes the tag away."""
    codec = codec_with(EX1, tags)
    wire = on_the_wire(codec)
    seen = heard(codec, wire[:12] + wire[16:])
    assert seen is not None
    assert seen.corrupted_at is not None
    assert 12 <= seen.corrupted_at < 16


def test_tag_that_nobody_sent() -> None:
    """A switch that adds one."""
    codec = codec_with(EX1, ())
    wire = on_the_wire(codec)
    seen = heard(codec, wire[:12] + bytes.fromhex("81000005") + wire[12:])
    assert seen is not None
    assert seen.corrupted_at == 12
