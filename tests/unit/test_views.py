"""What moves on a terminal is made of: the chart, the tally, the rates, and numbers in few characters."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechoctl import history, rates, render
from rawechoctl.history import History
from rawechoctl.live import Live
from rawechoctl.output import Output
from rawechoctl.tally import REMEMBERED, Tally
from rawechoctl.text import Text
from rawechod.probe.events import Summary

arrivals = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 10**9)), max_size=100)


@given(arrivals, st.integers(1, 10), st.sampled_from([history.BLOCKS, history.ASCII_BLOCKS]))
def test_chart_has_its_shape(replies: list[tuple[float, int]], height: int, blocks: str) -> None:
    """So many rows of so many columns; every reply is seen, and the longest one reaches the top."""
    past = History(0.1)
    for now, rtt in sorted(replies):
        past.reply(now, rtt)
    columns = past.last(50)
    drawn = history.rows(columns, height, blocks)
    assert len(drawn) == height
    assert {len(row) for row in drawn} == {len(columns)}
    assert " " not in drawn[-1]
    assert not history.highest(columns) or blocks[-1] in drawn[0]


def test_chart_steps() -> None:
    """Eighths, from the bottom."""
    past = History(0)
    for rtt in (1, 8, 9, 16):
        past.reply(0, rtt)
    past.loss(0)
    columns = past.last(10)
    assert history.rows(columns, 2) == ["  ▁█ ", "▁███ "]
    assert [column.lost for column in columns] == [0, 0, 0, 0, 1]


def test_what_comes_fast_shares_a_column() -> None:
    """The slowest counts."""
    past = History(0.1)
    for now, rtt in ((1.0, 5), (1.05, 9), (1.09, 7), (1.2, 1)):
        past.reply(now, rtt)
    assert [column.rtt for column in past.last(10)] == [9, 1]


def reply(seq: int, **remarks: bool) -> dict[str, Any]:
    """A reply's event."""
    stamps = {"kernel_stamped": True, "hardware_stamped": False}
    times = {"rtt_ns": seq, "residence_ns": 0, "forward_ns": None, "backward_ns": None}
    return {"seq": seq, **times, **stamps, "reordered": False, "corrupted": False} | remarks


def test_tally_counts() -> None:
    """A group's second answer is not a second request answered; what is rare is told where it happened."""
    tally = Tally(time.monotonic)
    for event, body in (
        *(("reply", reply(number)) for number in (1, 2, 2, 3)),
        ("reply", reply(4, reordered=True)),
        *(("duplicate", reply(1)), ("late", reply(5)), ("lost", {"seq": 5, "error": ""})),
    ):
        tally.take(event, body)
    assert (tally.answered, tally.lost) == (4, 1)
    assert tally.rare == {"reordered": 1, "duplicates": 1, "late": 1}
    found = tally.rtt()
    assert found is not None
    assert (found.min, found.max) == (1, 4)


STARTED = {
    "interface": "eth1",
    "ethertype": "ETH_P_802_EX1",
    "target": "ff:ff:ff:ff:ff:ff",
    "size": 60,
    "interval_ns": 10**7,
    "timeout_ns": 10**9,
    "vlan": None,
    "pcp": None,
    "pattern": "counting",
    "flood": False,
    "hello": False,
}


def test_tally_makes_a_summary_of_what_it_has_seen() -> None:
    """Where the daemon's does not come: counts that add up, figures, and nothing that was not seen."""
    tally = Tally(time.monotonic)
    events: list[tuple[str, dict[str, Any]]] = [("start", STARTED), ("using", {"mac": "02:00:00:00:00:0b"})]
    events += [("reply", reply(number)) for number in (1, 2, 4)]
    events += [("lost", {"seq": number, "error": error}) for number, error in ((3, ""), (6, "ENOBUFS"), (7, ""))]
    events += [("late", reply(3)), ("reply", reply(9))]
    for event, body in events:
        tally.take(event, body)
    found = tally.summary()
    assert (found["target"], found["ended"]) == ("02:00:00:00:00:0b", "cut_off")
    assert (found["sent"], found["received"], found["lost"], found["outstanding"]) == (9, 4, 3, 2)
    assert (found["late"], found["lost_here"], found["lost_undetermined"]) == (1, 1, 1)
    assert (found["loss_ratio"], found["timestamps"]) == (0.428571, "kernel")
    assert (found["rtt_ns"]["max"], found["ipdv_ns"]["max"]) == (9, 1)
    assert {field.name for field in fields(Summary)} == set(found)


def test_tally_of_a_quiet_run_has_its_intervals() -> None:
    """Nothing else is told with --quiet."""
    tally = Tally(time.monotonic)
    tally.take("start", STARTED)
    assert tally.summary()["loss_ratio"] is None
    interval = dict.fromkeys(("late", "duplicates", "reordered", "corrupted"), 0)
    for _ in range(2):
        tally.take("interval", interval | {"sent": 10, "received": 8, "lost": 1})
    found = tally.summary()
    assert (found["sent"], found["received"], found["lost"], found["outstanding"]) == (20, 16, 2, 2)


def test_tally_counts_beyond_32_bits() -> None:
    """`seq` begins anew; the run does not."""
    tally = Tally(time.monotonic)
    tally._sent = 2**32 - 3
    for seq in (2**32 - 2, 2**32 - 1, 1, 0):
        tally.take("reply", reply(seq))
    assert tally._sent == 2**32 + 1
    assert tally.answered == 4


def test_tally_does_not_grow() -> None:
    """However many replies come."""
    tally = Tally(time.monotonic)
    for number in range(5 * REMEMBERED):
        tally.take("reply", reply(number))
    assert tally.answered == 5 * REMEMBERED
    assert len(tally._seen) <= 2 * REMEMBERED


def status(uptime: float, received: int, **dropped: int) -> dict[str, Any]:
    """As GetStatus has it, of one listener."""
    listener = {"interface": "eth1", "ethertype": "ETH_P_ALL", "mode": "echo", "state": "up", "dropped": dropped}
    return {
        "uptime_s": uptime,
        "listeners": [listener | {"received": received, "replied": received, "kernel_drops": 0}],
    }


def test_rates() -> None:
    """Per second of the daemon's own clock; a reason that is new began at 0."""
    (row,) = rates.between(status(10, 100), status(12, 300, reply=40))
    assert (row.received, row.replied, row.dropped, row.all_dropped) == (100, 100, {"reply": 20}, 20)


def test_replies_that_were_none() -> None:
    """The daemon takes them off again: no rate is negative."""
    before, after = status(10, 100), status(12, 100, transmit_error=17)
    after["listeners"][0]["replied"] = 83
    (row,) = rates.between(before, after)
    assert (row.replied, row.all_dropped) == (0, 8.5)


@pytest.mark.parametrize("after", [status(2, 20), status(12, 20)])
def test_rates_after_a_new_beginning(after: dict[str, Any]) -> None:
    """The daemon was restarted, or the listener configured anew: counted from 0, never negative."""
    (row,) = rates.between(status(10, 100), after)
    assert row.received == 10


def seen(uptime: float, **received: int) -> dict[str, Any]:
    """As Watch has it, of one listener's peers, half of whose requests were answered."""
    one = {"interface": "eth1", "ethertype": "ETH_P_ALL"}
    peers = [one | {"mac": mac, "received": n, "replied": n // 2} for mac, n in received.items()]
    return {"uptime_s": uptime, "peers": peers}


def busiest(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Who sent how many frames a second, and how many were answered."""
    return [(row.peer["mac"], row.received, row.replied) for row in rates.of_peers(before, after)]


def test_rates_of_peers() -> None:
    """Those who sent something, the busiest first; a new one began at 0, as one that was forgotten meanwhile."""
    before, after = seen(10, a=900, b=100, c=50), seen(12, a=1000, b=100, c=8, d=400)
    assert busiest(before, after) == [("d", 200, 100), ("a", 50, 25), ("c", 4, 2)]
    assert busiest(seen(100, a=900), seen(2, a=10)) == [("a", 5, 2.5)]


def test_rates_of_more_peers_than_are_told() -> None:
    """Who was not told of before may have sent long ago: nothing is known of its rate until the next look."""
    many = {f"{number}": 1000 for number in range(rates.MOST_PEERS)}
    after = many | {"0": 1010, "late": 2000}
    assert busiest(seen(10, **many), seen(11, **after)) == [("0", 10, 5)]
    assert busiest(seen(11, **after), seen(12, **after | {"late": 2030})) == [("late", 30, 15)]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        *(
            (0, "0 ns"),
            (999, "999 ns"),
            (999.6, "1.00 µs"),
            (6030, "6.03 µs"),
            (163_100, "163 µs"),
            (1.2e6, "1.20 ms"),
        ),
        *((99_949, "99.9 µs"), (99_951, "100 µs"), (9_996, "10.0 µs"), (999_600, "1.00 ms"), (61.5e9, "61.5 s")),
    ],
)
def test_brief(nanoseconds: float, text: str) -> None:
    """Three digits, whatever the rounding."""
    assert render.brief(nanoseconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0, "0"), (0.04, "0"), (4.23, "4.2"), (9.96, "10"), (153.2, "153"), (9999, "9999")),
        *((15_320, "15.3k"), (999_949, "999.9k"), (999_960, "1.0M"), (1_500_000, "1.5M")),
    ],
)
def test_rate(value: float, text: str) -> None:
    """As short as it can be read."""
    assert render.rate(value) == text


def test_live_waits_for_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    """A daemon that takes its time to begin: nothing is drawn yet."""
    view = Live(Text(Output("off"), quiet=True), Tally(time.monotonic))
    view.take("", {})
    view.close()
    assert capsys.readouterr().out == ""
