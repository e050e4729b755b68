"""What a probe makes of a cable that loses, repeats, swaps and alters frames, in one direction at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import MAC_B, StartDaemon
from tests.netns.cable import CLEAN, Action, Script, cable, each, losing
from tests.netns.conftest import ENGINES, table

FEW = ("-c", "20", "-i", "0.02", "-W", "0.5", MAC_B)
LOST = (3, 7, 8, 9, 15)


def probe(
    daemon: StartDaemon, there: Script = CLEAN, back: Script = CLEAN, *, engine: str = "epoll"
) -> dict[str, Any]:
    """The summary of a probe through such a cable."""
    with cable(there, back) as made:
        daemon(made.b, table(engine=engine))
        return daemon(made.a, table()).probe(*FEW)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_the_direction_of_loss_is_found(daemon: StartDaemon, root: None, direction: str, engine: str) -> None:
    """Five frames lost on one of the two ways are counted there, and on the other none."""
    there, back = (losing(*LOST), CLEAN) if direction == "forward" else (CLEAN, losing(*LOST))
    summary = probe(daemon, there, back, engine=engine)
    assert (summary["sent"], summary["received"], summary["lost"]) == (20, 15, 5)
    other = "backward" if direction == "forward" else "forward"
    assert (summary[f"lost_{direction}"], summary[f"lost_{other}"]) == (5, 0)
    assert summary["longest_loss_run"] == 3
    assert [one["requests"] for one in summary["outages"]] == [1, 3, 1]
    longest = summary["outages"][1]
    assert summary["outage_s"] == round((longest["end_ns"] - longest["start_ns"]) / 1e9, 6) > 0


def test_losses_both_ways_are_told_apart(daemon: StartDaemon, root: None) -> None:
    """Two there, and three of the replies that were left."""
    summary = probe(daemon, losing(2, 3), losing(5, 6, 10))
    assert (summary["lost_forward"], summary["lost_backward"], summary["lost"]) == (2, 3, 5)


def test_a_repeated_reply_is_a_duplicate(daemon: StartDaemon, root: None) -> None:
    """Every fourth reply comes three times, the last one among them."""
    summary = probe(daemon, back=each(Action(copies=3), 4, 8, 12, 16, 20))
    assert (summary["received"], summary["duplicates"], summary["lost"]) == (20, 10, 0)
    assert summary["responders"][0]["duplicates"] == 10


def test_a_swapped_reply_is_reordered(daemon: StartDaemon, root: None) -> None:
    """Each tenth reply waits until the next one has passed."""
    summary = probe(daemon, back=each(Action(behind=1), 5, 15))
    assert (summary["received"], summary["reordered"], summary["lost"]) == (20, 2, 0)


@pytest.mark.parametrize("interval", ["2ms", "50us"], ids=["stamped", "read in C"])
@pytest.mark.parametrize("at", [70, 30, 37], ids=["payload", "t1", "end of t1"])
def test_an_altered_reply_is_corrupted(daemon: StartDaemon, root: None, at: int, interval: str) -> None:
    """One bit of one reply; the event says where."""
    with cable(back=each(Action(xor=(at, 4)), 4)) as made:
        daemon(made.b, table())
        events = daemon(made.a, table()).objects("probe", *FEW, "-s", "80", "-i", interval)
    altered = [event for event in events if event.get("corrupted") is True]
    assert [(event["seq"], event["corrupted_at"]) for event in altered] == [(4, at)]
    assert events[-1]["corrupted"] == 1
