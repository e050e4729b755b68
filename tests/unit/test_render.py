"""Values as people read them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rawechoctl import render
from rawechoctl.output import Output
from rawechoctl.text import Text, listed_outages


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.0, "0%"), (0.1, "10%"), (0.05167, "5.167%"), (0.999_999, "99.99%"), (0.999_949, "99.99%"), (1.0, "100%")],
)
def test_percent(ratio: float, shown: str) -> None:
    """No digits that say nothing, and all is lost only where all is."""
    assert render.percent(ratio) == shown


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0.000"),
        (7, "0.000007"),
        (99, "0.000099"),
        (100, "0.00010"),
        (570, "0.00057"),
        (994, "0.00099"),
        (1_000, "0.0010"),
        (8_249, "0.0082"),
        (9_949, "0.0099"),
        (9_950, "0.010"),
        (12_345_678, "12.346"),
        (-1_500, "-0.0015"),
        (-25_000, "-0.025"),
    ],
)
def test_milliseconds(nanoseconds: float, shown: str) -> None:
    """As ping's, and two digits at least."""
    assert render.milliseconds(nanoseconds) == shown


COUNTS = (
    *("sent", "received", "lost", "outstanding", "late", "duplicates", "reordered", "corrupted", "strangers"),
    *("lost_forward", "lost_backward", "lost_responder", "lost_here", "lost_undetermined"),
)
TIMES = ("rtt_ns", "ipdv_ns", "pdv_ns", "residence_ns", "forward_ns", "backward_ns")
PACE = {"interval_ns": 10_000_000, "achieved_interval_ns": 10_000_000, "duration_s": 0.9}
ABOUT = {"interface": "eth1", "target": "02:00:00:00:00:0b", "vlan": None, "pcp": None, "pattern": "counting"}
LISTS: dict[str, Any] = {"outages": [], "send_errors": {}, "responders": [], "notes": []}


def summary(**fields: object) -> dict[str, Any]:
    """The summary of a probe that ended before anything was known of its requests."""
    body = ABOUT | PACE | dict.fromkeys(COUNTS, 0) | dict.fromkeys(TIMES) | LISTS
    return body | {"loss_ratio": None, "ended": "complete", "hello": False, "flood": False} | fields


def shown(capsys: pytest.CaptureFixture[str], body: dict[str, Any], outages: int | None = None) -> list[str]:
    """The lines of a summary, without its heading."""
    Text(Output("off"), True, outages).take("summary", body)
    return capsys.readouterr().out.splitlines()[2:]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"outstanding": 9}, "loss not known"),
        ({"received": 9, "loss_ratio": 0.0}, "0% lost"),
        ({"received": 9, "loss_ratio": 0.0, "outstanding": 3}, "0% of the other 9 lost"),
        ({"received": 1, "lost": 3, "loss_ratio": 0.75, "outstanding": 3}, "75% of the other 4 lost"),
        ({"lost": 3, "loss_ratio": 1.0}, "100% lost"),
    ],
)
def test_loss(fields: dict[str, Any], words: str) -> None:
    """Nothing is said of what is not known: neither 0% where nobody answered, nor of what is outstanding."""
    assert render.loss(summary(**fields)) == words


def test_where_requests_were_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, the ways that occurred, in words; they add up."""
    ways = {"lost_forward": 7, "lost_responder": 1, "lost_here": 3, "late": 2, "lost_undetermined": 1}
    body = summary(lost=14, loss_ratio=1.0, **ways, send_errors={"ENOBUFS": 2})
    assert shown(capsys, body)[1] == (
        "14 lost: 7 on the way there, 1 dropped by the responder's host, 1 dropped by this host, "
        "2 not sent (ENOBUFS), 2 late, 1 not known where"
    )
    assert shown(capsys, summary(received=3, loss_ratio=0.0)) == ["0 sent, 3 received, 0% lost, time 900 ms"]


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (50_000, "3 on the way back or held back by the responder's rate limit"),
        (2_000_000_000, "3 on the way back"),
        (None, "3 on the way back"),
    ],
)
def test_a_rate_limit_is_named_where_there_may_be_one(interval: int | None, words: str) -> None:
    """A responder answers one request a second at least, whatever its limits."""
    assert render.losses(summary(lost=3, lost_backward=3, achieved_interval_ns=interval)) == [words]


@pytest.mark.parametrize(
    ("asked", "achieved", "words"),
    [
        (10_000, 12_300, "one request every 12.3 µs on average; every 10.0 µs was asked for"),
        (10_000, 10_400, ""),
        (0, 12_300, ""),
        (10_000, None, ""),
    ],
)
def test_pace(asked: int, achieved: int | None, words: str) -> None:
    """What was sent beside what was asked for, where it matters; a flood asks for none."""
    assert render.pace(summary(interval_ns=asked, achieved_interval_ns=achieved)) == words


def outage(start: int, length: int, requests: int) -> dict[str, int]:
    """One that began at so many milliseconds and lasted so many."""
    return {"start_ns": start * 1_000_000, "end_ns": (start + length) * 1_000_000, "requests": requests}


MANY = [outage(0, 100, 10), outage(500, 300, 30), outage(900, 5, 1), outage(1000, 50, 5), outage(2000, 200, 20)]


@pytest.mark.parametrize(
    ("outages", "most", "heading", "lengths"),
    [
        (MANY, None, "the 3 longest of 4 outages:", ["100 ms", "300 ms", "200 ms"]),
        (MANY, 1, "the 1 longest of 5 outages:", ["300 ms"]),
        (MANY, 9, "outages:", ["100 ms", "300 ms", "5.00 ms", "50.0 ms", "200 ms"]),
        (MANY, 0, None, []),
        (MANY[2:3], None, None, []),
        (MANY[:1], None, "outage: ", ["100 ms"]),
    ],
)
def test_outages(outages: list[dict[str, int]], most: int | None, heading: str | None, lengths: list[str]) -> None:
    """The longest, in order of time; a single lost request is one where a number of them was asked for."""
    lines = listed_outages(summary(outages=outages), most)
    assert lines[0].startswith(heading) if heading else lines == [], lines
    assert re.findall(r"\.\d{3}, ([\d.]+ ms), ", "\n".join(lines)) == lengths
    assert not heading or "10 requests" in " ".join(lines) or most == 1


def test_an_end_that_nobody_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """It stands above all figures."""
    assert shown(capsys, summary(ended="daemon"))[0] == "the daemon ended the probe: it was stopped"
    assert shown(capsys, summary(ended="cut_off"))[0].startswith("cut off: ")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, []),
        ({"vlan": "100", "pcp": 5}, ["VLAN 100 priority 5"]),
        (
            {"vlan": "0", "pcp": 0, "pattern": "zero", "flood": True},
            ["VLAN 0 priority 0", "pattern zero", "flood"],
        ),
        ({"pattern": "", "hello": True}, ["hello"]),
    ],
)
def test_what_was_sent(fields: dict[str, Any], words: list[str]) -> None:
    """Always the EtherType and the size; of the rest what is not usual."""
    start = summary(ethertype="ETH_P_PAE", size=64, **fields)
    assert render.sent(start) == ", ".join(["EtherType ETH_P_PAE", "64 octets", *words])
