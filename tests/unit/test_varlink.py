"""Varlink's messages: encoding, cutting, and arbitrary octets from the other side."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod.control import varlink
from rawechod.control.varlink import MESSAGE_LIMIT, Call, CallError, Framer, ProtocolError, Reply
from tests.unit.mutants import AMOUNT, arbitrary

CALLS = [
    b'{"method":"io.rawecho.Control.Probe","parameters":{"count":10,"interval":"1s","hello":false},"more":true}',
    b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.rawecho.Control"}}',
    b'{"method":"io.rawecho.Control.GetStatus","oneway":true,"parameters":null}',
    b'{"method":"a.B","upgrade":true}',
    b'{"parameters":{"x":[1,2.5,{"y":null}]},"continues":true}',
    b'{"error":"io.rawecho.Control.PermissionDenied","parameters":{"reason":"join \\u00e9 \\ud83d\\ude00"}}',
    b'{"error":[1],"parameters":{}}',
    b"[]",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
parameters = st.dictionaries(st.text(), json_values, max_size=5)


@given(st.text(), parameters, st.booleans(), st.booleans())
def test_call_round_trip(method: str, given_parameters: dict[str, Any], more: bool, oneway: bool) -> None:
    """What was encoded is decoded, behind its end there is nothing."""
    call = Call(method, given_parameters, more, oneway)
    (message,) = Framer().feed(varlink.encode_call(call))
    decoded = varlink.decode_call(message)
    assert (decoded.method, decoded.parameters) == (method, given_parameters)
    assert (decoded.more, decoded.oneway) == (more, oneway)


@given(parameters, st.booleans())
def test_reply_round_trip(given_parameters: dict[str, Any], continues: bool) -> None:
    """Replies, and that more follow."""
    (message,) = Framer().feed(varlink.encode_reply(given_parameters, continues))
    decoded = varlink.decode_reply(message)
    assert (decoded.parameters, decoded.continues, decoded.error) == (given_parameters, continues, "")


@given(st.sampled_from(["PermissionDenied", "org.varlink.service.MethodNotFound"]), st.text())
def test_error_round_trip(name: str, reason: str) -> None:
    """A short name is the control interface's."""
    (message,) = Framer().feed(varlink.encode_error(CallError(name, reason=reason)))
    decoded = varlink.decode_reply(message)
    assert decoded.error == (name if "." in name else f"io.rawecho.Control.{name}")
    assert decoded.parameters == {"reason": reason}


def test_octets_on_the_wire() -> None:
    """JSON, NUL, and no member that says nothing."""
    assert varlink.encode_call(Call("a.B", {"x": 1})) == b'{"method":"a.B","parameters":{"x":1}}\0'
    assert varlink.encode_call(Call("a.B", {}, more=True)) == b'{"method":"a.B","parameters":{},"more":true}\0'
    assert varlink.encode_reply({"x": 1}) == b'{"parameters":{"x":1}}\0'
    assert varlink.encode_reply({}, True) == b'{"parameters":{},"continues":true}\0'


@given(st.lists(st.binary(max_size=30).filter(lambda data: b"\0" not in data), max_size=8), st.data())
def test_framing(messages: list[bytes], data: st.DataObject) -> None:
    """However the octets are dealt out, the same messages come out, in order, none twice."""
    stream = b"".join(message + b"\0" for message in messages) + b"rest"
    framer, found, at = Framer(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, 12))
        found += framer.feed(stream[at : at + size])
        at += size
    assert found == messages
    assert framer.feed(b"\0") == [b"rest"]


@pytest.mark.parametrize("size", [1, 4096, MESSAGE_LIMIT + 1])
def test_message_limit(size: int) -> None:
    """A message of the limit's length passes, one octet more does not, in whatever pieces."""
    framer = Framer()
    pieces = [b"x" * min(size, MESSAGE_LIMIT - at) for at in range(0, MESSAGE_LIMIT, size)] if size > 1 else []
    for piece in pieces or [b"x" * MESSAGE_LIMIT]:
        assert framer.feed(piece) == []
    assert framer.feed(b"\0") == [b"x" * MESSAGE_LIMIT]
    framer.feed(b"x" * MESSAGE_LIMIT)
    with pytest.raises(ProtocolError, match="longer than 1048576 octets"):
        framer.feed(b"x")


def test_too_long_among_short_ones() -> None:
    """A long message is refused where its end came with it, too."""
    with pytest.raises(ProtocolError):
        Framer().feed(b"a\0" + b"x" * (MESSAGE_LIMIT + 1) + b"\0b\0")


def _read(octets: bytes) -> Counter[str]:
    """What comes of octets that a client or a daemon sent."""
    outcomes: Counter[str] = Counter()
    for message in Framer().feed(octets + b"\0"):
        for decode in (varlink.decode_call, varlink.decode_reply):
            try:
                decoded: Call | Reply = decode(message)
            except ProtocolError:
                outcomes["refused"] += 1
            else:
                assert isinstance(decoded.parameters, dict)
                outcomes["read"] += 1
    return outcomes


def test_arbitrary_octets() -> None:
    """100,000 of them: messages, or ProtocolError and nothing else."""
    outcomes: Counter[str] = Counter()
    for octets in arbitrary(CALLS):
        outcomes += _read(octets)
    assert outcomes.total() >= 2 * AMOUNT
    assert min(outcomes["refused"], outcomes["read"]) > AMOUNT // 100


def test_arbitrary_json() -> None:
    """Well-formed JSON of any shape is a message or a ProtocolError."""
    generator = random.Random(3)
    leaves: list[Any] = [None, True, 0, -1, 2**64, 1.5, "", "x", "\ud800", [], {}, float("inf")]
    for _ in range(AMOUNT // 5):
        names = generator.sample(["method", "parameters", "more", "oneway", "upgrade", "error", "continues"], 3)
        _read(json.dumps({name: generator.choice(leaves) for name in names}).encode())


@pytest.mark.parametrize("depth", [100, 900, 950, 980, 990, 1000, 1100, 100_000])
def test_any_depth(depth: int) -> None:
    """Nesting up to and beyond what Python's JSON takes."""
    for opened, closed in ((b"[", b"]"), (b'{"x":', b"}")):
        _read(b'{"method":"a.B","parameters":{"x":' + opened * depth + b"1" + closed * depth + b"}}")
