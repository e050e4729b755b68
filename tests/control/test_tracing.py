"""Trace and Judge as conversations: by the contract, within bounds, and refused where they make no sense."""

from __future__ import annotations

import base64
import socket
from importlib import resources
from typing import Any

import pytest

from tests.control.idl import Contract
from tests.control.talk import CONTROL, SERVICE, Talk, connect
from tests.lab import Daemon
from tests.netns.frames import ZERO, Pdu, Tag, request


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The control interface's."""
    return Contract(resources.files("rawechod.control").joinpath(f"{CONTROL}.varlink").read_text())


def captured(frame: bytes, **other: Any) -> dict[str, Any]:
    """A frame for Judge."""
    return {"octets": base64.b64encode(frame).decode(), "length": len(frame)} | other


def test_a_trace_by_the_contract(contract: Contract, served: Daemon, talk: Talk) -> None:
    """Start, frames and end; the frames of a probe on lo, each request and each reply to it."""
    talk.more("Trace")
    start = talk.receive()
    assert start["parameters"] == {"event": "start", "start": {"interfaces": ["lo"]}}
    served.probe("-c", "3", "-i", "0.01")
    talk.finish()
    replies = [start]
    while replies[-1].get("continues"):
        replies.append(talk.receive())
    for reply in replies:
        contract.check_reply("Trace", reply["parameters"])
    *frames, end = [reply["parameters"] for reply in replies[1:]]
    assert [frame["frame"]["reason"] for frame in frames] == ["", "probe_reply"] * 3
    assert end == {"event": "end", "end": {"matched": 6, "told": 6}}


def test_judge_by_the_contract(contract: Contract, talk: Talk) -> None:
    """A verdict for each frame, in their order, whatever octets they are."""
    frames = [
        captured(request(dst=ZERO, src=ZERO), at_ns=5),
        captured(request(dst=ZERO, src=ZERO, tags=(Tag(7, 3),)), at_ns=None),
        captured(request(pdu=Pdu(version=3)), at_ns=0),
        captured(b""),
        captured(request()[:40], length=60),
        captured(b"\x81\x00"),
    ]
    reply = talk.call("Judge", frames=frames)["parameters"]
    contract.check_reply("Judge", reply)
    verdicts = reply["verdicts"]
    reasons = [verdict["reason"] for verdict in verdicts]
    assert reasons == ["", "", "bad_version", "too_short", "not_for_us", "too_short"]
    assert [verdict["at_ns"] for verdict in verdicts] == [5, 0, 0, 0, 0, 0]
    assert [verdict["length"] for verdict in verdicts] == [60, 64, 60, 0, 60, 2]
    assert verdicts[1]["tags"] == [{"tpid": "0x8100", "vid": 7, "pcp": 3, "dei": 0}]


def test_a_trace_is_a_stream(talk: Talk) -> None:
    """Without `more` there is no sense in it."""
    assert talk.call("Trace")["error"] == f"{SERVICE}.ExpectedMore"


@pytest.mark.parametrize(
    ("method", "parameters", "parameter"),
    [
        ("Trace", {"interface": "eth7"}, "interface"),
        ("Trace", {"outcomes": ["replied", "bad_luck"]}, "outcomes"),
        ("Trace", {"source": "nobody"}, "source"),
        ("Judge", {"interface": "eth7", "frames": []}, "interface"),
        ("Judge", {"frames": [{"octets": "", "length": 0}] * 1025}, "frames"),
        ("Judge", {"frames": [{"octets": "%%%", "length": 60}]}, "frames"),
        ("Judge", {"frames": [captured(b"", length=-1)]}, "frames"),
        ("Judge", {"frames": [captured(b"", length=10**15)]}, "frames"),
        ("Judge", {"frames": [captured(b"", at_ns=1 << 63)]}, "frames"),
    ],
)
def test_bad_values(talk: Talk, method: str, parameters: dict[str, Any], parameter: str) -> None:
    """Each is refused by name, with a sentence."""
    talk.more(method, **parameters)
    reply = talk.receive()
    assert reply["error"] == f"{CONTROL}.InvalidRequest"
    assert reply["parameters"]["parameter"] == parameter
    assert reply["parameters"]["reason"]


@pytest.mark.parametrize("octets", ["ä", "\ud800", "QQ"])
def test_no_base64(talk: Talk, octets: str) -> None:
    """Text that stands for no octets."""
    assert talk.call("Judge", frames=[{"octets": octets, "length": 1}])["error"].startswith(CONTROL)


def heard(served: Daemon) -> int:
    """All that the listener has heard: on `lo` the replies to the probe, too."""
    listener = served.listener()
    return int(listener["received"] + listener["probe_replies"])


def test_a_reader_that_does_not_read(served: Daemon) -> None:
    """It is not cut off and costs a bounded memory: what it missed is counted, and told."""
    with connect(served.control) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.more("Trace")
        before = heard(served)
        served.probe("-c", "8000", "-i", "0.0005", "-q")
        seen = heard(served) - before
        slow.finish()
        replies = [slow.receive()]
        while replies[-1].get("continues"):
            replies.append(slow.receive())
    end = replies[-1]["parameters"]["end"]
    assert end["matched"] == seen
    assert end["told"] == len(replies) - 2
    assert end["told"] < end["matched"]


def test_many_traces_at_once(served: Daemon) -> None:
    """Each has its own filter; those that die do not disturb the others."""
    talks = [connect(served.control) for _ in range(20)]
    for talk in talks:
        talk.more("Trace", outcomes=["replied"])
        talk.receive()
    for talk in talks[1:]:
        talk.socket.close()
    served.probe("-c", "1")
    assert talks[0].receive()["parameters"]["frame"]["decision"] == "replied"
    talks[0].socket.close()
