"""Octets in, octets out: how messages are cut, and what is no message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.control.talk import CONTROL, SERVICE, Talk, connect
from tests.lab import Daemon

INFO = {"method": f"{SERVICE}.GetInfo"}
STATUS = {"method": f"{CONTROL}.GetStatus"}
COUNTERS = {"method": f"{CONTROL}.GetCounters"}
LIMIT = 1 << 16


def encoded(message: dict[str, Any]) -> bytes:
    """One message, with its end."""
    return json.dumps(message).encode() + b"\0"


def test_octet_by_octet(talk: Talk) -> None:
    """However slowly a call comes, it is one call."""
    for octet in encoded(INFO):
        talk.octets(bytes([octet]))
    assert talk.receive()["parameters"]["product"] == "rawechod"


def test_many_calls_at_once(talk: Talk) -> None:
    """Replies come in the order of the calls."""
    talk.send(INFO, STATUS, COUNTERS, INFO)
    replies = [talk.receive()["parameters"] for _ in range(4)]
    assert [sorted(reply)[0] for reply in replies] == ["interfaces", "config", "listeners", "interfaces"]


def test_calls_cut_anywhere(talk: Talk) -> None:
    """Two calls in three pieces."""
    octets = encoded(INFO) + encoded(STATUS)
    for piece in (octets[:10], octets[10:-30], octets[-30:]):
        talk.octets(piece)
    assert "vendor" in talk.receive()["parameters"]
    assert "pid" in talk.receive()["parameters"]


def test_more_calls_than_buffers_hold(served: Daemon, talk: Talk) -> None:
    """Thousands of calls, whose replies are read only in the end; others are served meanwhile."""
    amount = 3000
    talk.socket.setblocking(False)
    data = encoded(STATUS) * amount
    received = b""
    with connect(served.control) as other:
        while received.count(b"\0") < amount:
            try:
                data = data[talk.socket.send(data) :] if data else data
            except BlockingIOError:
                assert "pid" in other.call("GetStatus")["parameters"]
                talk.socket.settimeout(30)
                received += talk.socket.recv(1 << 20)
                talk.socket.setblocking(False)
            if not data:
                talk.socket.settimeout(30)
                received += talk.socket.recv(1 << 20)
    assert [json.loads(reply)["parameters"]["pid"] for reply in received.split(b"\0")[:-1]] == [
        served.process.pid
    ] * amount


def test_longest_message(talk: Talk) -> None:
    """A call of 64 KiB is read."""
    empty = encoded(INFO | {"x": ""})
    message = encoded(INFO | {"x": "y" * (LIMIT + 1 - len(empty))})
    assert len(message) == LIMIT + 1
    talk.octets(message)
    assert "vendor" in talk.receive()["parameters"]


def refused(octets: bytes, served: Daemon) -> dict[str, Any]:
    """Send octets that are no call, and a call behind them: one error comes, then the daemon hangs up."""
    with connect(served.control) as talk:
        try:
            talk.octets(octets + b"\0" + encoded(INFO))
        except (BrokenPipeError, ConnectionResetError):
            pass  # It has heard enough.
        error, end, rest = talk.rest().partition(b"\0")
        assert (end, rest) == (b"\0", b"")
    return dict(json.loads(error))


NO_CALLS = {
    "nothing": (b"", "no JSON"),
    "no JSON": (b"hello", "no JSON"),
    "cut JSON": (b'{"method":', "no JSON"),
    "no UTF-8": (b'{"method": "\xff"}', "no JSON"),
    "two objects": (b"{}{}", "no JSON"),
    "a deep list": (b"[" * 60_000, "no JSON"),
    "deep objects": (b'{"x":' * 10_000 + b"1" + b"}" * 10_000, "no JSON"),
    "a long number": (b"1" * 10_000, "no JSON"),
    "a list": (b"[]", "no JSON object"),
    "a number": (b"1", "no JSON object"),
    "null": (b"null", "no JSON object"),
    "a text": (b'"method"', "no JSON object"),
    "an empty object": (b"{}", "no method"),
    "a method that is no text": (b'{"method": 1}', "no method"),
    "parameters that are a list": (b'{"method": "a.B", "parameters": []}', "parameters are no JSON object"),
    "parameters that are a text": (b'{"method": "a.B", "parameters": "x"}', "parameters are no JSON object"),
    "an upgrade": (b'{"method": "a.B", "upgrade": true}', "upgrades are not offered"),
    "a message above 64 KiB": (b" " * (LIMIT + 1), "longer than 65536 octets"),
    "a message without an end": (b" " * (3 * LIMIT), "longer than 65536 octets"),
}


@pytest.mark.parametrize(("octets", "reason"), NO_CALLS.values(), ids=NO_CALLS)
def test_no_call(served: Daemon, octets: bytes, reason: str) -> None:
    """It is answered by an error with a sentence, and the connection ends."""
    error = refused(octets, served)
    assert error["error"] == f"{CONTROL}.ProtocolError"
    assert reason in error["parameters"]["reason"]


def test_calls_before_the_nonsense_are_answered(talk: Talk) -> None:
    """What was understood is done; what stands behind nonsense is not looked at."""
    talk.octets(encoded(INFO) + b"hello\0" + encoded(STATUS))
    first, second = talk.rest().split(b"\0")[:-1]
    assert "vendor" in json.loads(first)["parameters"]
    assert json.loads(second)["error"] == f"{CONTROL}.ProtocolError"


def test_half_a_call_and_gone(talk: Talk) -> None:
    """A call without its end is none."""
    talk.octets(encoded(INFO)[:-1])
    talk.finish()
    assert talk.rest() == b""


def test_calls_before_the_end_are_answered(talk: Talk) -> None:
    """Who sends no more still gets its replies, then the daemon hangs up."""
    talk.send(INFO, STATUS, INFO)
    talk.finish()
    assert [sorted(json.loads(reply)["parameters"])[0] for reply in talk.rest().split(b"\0")[:-1]] == [
        *("interfaces", "config", "interfaces")
    ]


def test_gone_before_the_replies(served: Daemon) -> None:
    """Who asks and goes at once harms nobody."""
    for _ in range(50):
        with connect(served.control) as talk:
            talk.send(*[STATUS] * 20)


@pytest.mark.parametrize("call", [INFO, STATUS, COUNTERS], ids=lambda call: call["method"])
def test_one_way_calls_get_no_reply(talk: Talk, call: dict[str, Any]) -> None:
    """Neither a reply nor an error; the next call's reply is the next message."""
    talk.send(call | {"oneway": True}, {"method": "no.Such", "oneway": True}, STATUS)
    assert "pid" in talk.receive()["parameters"]


@pytest.mark.parametrize("call", [INFO, STATUS, COUNTERS], ids=lambda call: call["method"])
def test_more_of_what_has_one_reply(talk: Talk, call: dict[str, Any]) -> None:
    """Exactly one, which does not continue."""
    talk.send(call | {"more": True}, STATUS)
    first, second = talk.receive(), talk.receive()
    assert not first.get("continues")
    assert "pid" in second["parameters"]


@pytest.mark.parametrize("extra", [{"parameters": None}, {"parameters": {}}, {"more": False}, {"future": [1]}])
def test_harmless_extras(talk: Talk, extra: dict[str, Any]) -> None:
    """Fields of the message that are empty or unknown."""
    talk.send(INFO | extra)
    assert "vendor" in talk.receive()["parameters"]
