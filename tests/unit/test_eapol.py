"""The EAPOL envelope."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import eapol


def test_envelope_example() -> None:
    """Version 3, type 0xEC, the body's length in two octets, the body."""
    assert eapol.wrap(b"body!") == bytes.fromhex("03 ec 0005") + b"body!"
    assert eapol.unwrap(bytes.fromhex("03 ec 0005") + b"body!") == b"body!"


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_envelope_round_trip(body: bytes, padding: bytes) -> None:
    """The body comes back without the padding behind it."""
    assert eapol.unwrap(eapol.wrap(body) + padding) == body


def test_longest_body() -> None:
    """65535 octets, as many as the length can say."""
    body = bytes(65535)
    assert eapol.unwrap(eapol.wrap(body)) == body


@pytest.mark.parametrize("version", [0, 1, 2, 4, 255])
def test_other_versions_pass(version: int) -> None:
    """IEEE 802.1X lets other versions pass."""
    assert eapol.unwrap(bytes([version]) + bytes.fromhex("ec 0001 55")) == b"\x55"


REFUSED = {
    "empty": ("", DropReason.TOO_SHORT),
    "cut header": ("03ec00", DropReason.TOO_SHORT),
    "EAP of a real authenticator": ("02 00 0005 0101000501", DropReason.FOREIGN),
    "EAPOL-Start": ("01 01 0000", DropReason.FOREIGN),
    "EAPOL-Key": ("02 03 0000", DropReason.FOREIGN),
    "foreign and badly sized": ("02 00 ffff", DropReason.FOREIGN),
    "length one above the body": ("03 ec 0002 55", DropReason.BAD_LENGTH),
    "length far above the body": ("03 ec ffff 55", DropReason.BAD_LENGTH),
}


@pytest.mark.parametrize(("octets", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(octets: str, reason: DropReason) -> None:
    """What is not our envelope, and why."""
    with pytest.raises(MalformedFrameError) as caught:
        eapol.unwrap(bytes.fromhex(octets))
    assert caught.value.reason is reason
