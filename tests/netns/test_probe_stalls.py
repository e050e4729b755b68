"""Probes whose host stands still, is too slow, or whose caller has had enough: every figure stays true."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from rawechod.packet import socket as packet_socket
from rawechod.probe import exchange, runner
from rawechod.probe.events import Arrived, Summary, Using
from rawechod.probe.job import SeveralResponders
from tests.lab import MAC_B, Daemon, Host, StartDaemon, wait_for
from tests.netns.cable import Action, Script, cable
from tests.netns.client import Probing, stopped
from tests.netns.conftest import Responder, table
from tests.netns.frames import BROADCAST, REPLY, parse
from tests.netns.in_process import probing
from tests.netns.port import port

MS = 1_000_000
NOBODY = "02:00:00:00:00:99"
PARTS = ("lost_forward", "lost_backward", "lost_responder", "lost_here", "late", "lost_undetermined")
LONG = Script(rest=Action(delay=100 * MS))
"""What one direction does of a cable around the world."""


def pause(what: str) -> None:
    """Half a second, which is part of what happens here."""
    ends = time.monotonic() + 0.5
    wait_for(lambda: time.monotonic() > ends, what)


@pytest.fixture
def ours(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> Daemon:
    """The daemon in host a."""
    return daemon(two_hosts[0], table())


@pytest.fixture
def far_away(root: None, daemon: StartDaemon) -> Iterator[Daemon]:
    """The same, and the responder's answers take their time."""
    with cable(back=LONG) as made:
        daemon(made.b, table())
        yield daemon(made.a, table())


@pytest.mark.parametrize(("pace", "count"), [("1ms", "3000"), ("90us", "30000")], ids=["stamped", "read in C"])
def test_a_prober_that_stands_still(far_away: Daemon, pace: str, count: str) -> None:
    """For longer than the timeout: what came in time was received, whenever it is read."""
    with closing(Probing(far_away, "-c", count, "-i", pace, "-W", "300ms", MAC_B, "-q")) as run:
        wait_for(lambda: far_away.status()["probes"], "the probe")
        with stopped(far_away):
            pause("a timeout and more")
        summary = run.summary()
        assert (summary["sent"], summary["received"], summary["lost"]) == (int(count), int(count), 0)
        assert (summary["late"], summary["duplicates"]) == (0, 0)
        assert summary["achieved_interval_ns"] > 0


def test_ctrl_c_waits_for_the_last_replies(far_away: Daemon) -> None:
    """Nothing more is sent; what is under way comes, and is counted."""
    with closing(Probing(far_away, "-c", "0", "-i", "5ms", "-W", "10s", MAC_B)) as run:
        run.event("reply")
        summary = run.interrupt()
        assert (summary["lost"], summary["outstanding"], summary["loss_ratio"]) == (0, 0, 0)
        assert summary["ended"] == "interrupted"
        assert run.wait() == 0


def test_a_deadline_waits_for_the_last_replies(far_away: Daemon) -> None:
    """The same, by itself."""
    summary = far_away.probe("-c", "0", "-i", "5ms", "-W", "10s", "-w", "250ms", "-q", MAC_B)
    assert summary["received"] == summary["sent"] > 1
    assert (summary["outstanding"], summary["ended"]) == (0, "deadline")


def test_a_deadline_where_nobody_answers(ours: Daemon) -> None:
    """All is lost, and nothing is claimed."""
    summary = ours.probe("-c", "0", "-i", "50ms", "-W", "100ms", "-w", "300ms", "-q", NOBODY)
    assert summary["lost"] == summary["sent"] == summary["lost_undetermined"] > 1
    assert (summary["loss_ratio"], summary["outstanding"], summary["notes"]) == (1, 0, [])
    (outage,) = summary["outages"]
    assert outage["requests"] == summary["sent"]
    assert outage["end_ns"] > outage["start_ns"]


def test_what_is_not_known_is_no_success(ours: Daemon) -> None:
    """The daemon ends while nothing was received or lost: no ratio, no note."""
    with closing(Probing(ours, "-c", "0", "-i", "20ms", "-W", "60s", NOBODY)) as run:
        run.event("start")
        wait_for(lambda: ours.status()["probes"], "the probe")
        ours.signal(signal.SIGTERM)
        summary = run.summary()
        assert (summary["ended"], summary["loss_ratio"], summary["notes"]) == ("daemon", None, [])
        assert summary["outstanding"] == summary["sent"]
        assert run.wait() == 5


def test_losses_belong_to_the_interval_of_their_requests(ours: Daemon) -> None:
    """Each interval is told when all of its requests are settled: sent is received and lost."""
    events = ours.objects(
        "probe", "-c", "60", "-i", "10ms", "-W", "250ms", "--report-every", "100ms", "-q", NOBODY
    )
    intervals = [event for event in events if event["event"] == "interval"]
    assert len(intervals) >= 5
    assert [one["lost"] for one in intervals] == [one["sent"] for one in intervals]
    assert sum(one["sent"] for one in intervals) == 60


def test_a_flood_on_an_interface_that_is_down(
    two_hosts: tuple[Host, Host], ours: Daemon, responder: Responder
) -> None:
    """It tries again at a slow pace, does not stream its losses, and goes on when the interface is up."""
    responder()
    with closing(Probing(ours, "-f", "-c", "0", MAC_B)) as run:
        run.event("reply")
        two_hosts[0].ip("link", "set", "eth1", "down")
        for _ in range(10):
            run.event("lost", error="ENETDOWN")
        pause("many attempts, if nothing held them back")
        two_hosts[0].ip("link", "set", "eth1", "up")
        run.event("reply")
        summary = run.interrupt()
        assert 10 <= summary["send_errors"]["ENETDOWN"] <= summary["lost_here"] < 200
        assert sum(summary[part] for part in PARTS) == summary["lost"]
        assert run.wait() == 0


def test_a_flood_against_a_limit(ours: Daemon, responder: Responder) -> None:
    """It goes on at the responder's pace instead of waiting for what will not be answered, and says so."""
    responder(peer_rate_limit=1000)
    summary = ours.probe("-f", "-c", "3000", "-W", "5s", "-w", "40s", "-q", MAC_B)
    assert (summary["sent"], summary["ended"]) == (3000, "complete")
    assert summary["received"] > 1500
    assert summary["lost_backward"] == summary["lost"] > 0
    assert any("the flood slowed down to that" in note for note in summary["notes"])


def test_what_the_probes_own_socket_drops(
    two_hosts: tuple[Host, Host], responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is lost here, and not on the way back."""
    responder()
    monkeypatch.setattr(exchange, "HELD", 0)
    monkeypatch.setattr(packet_socket, "_MOST_RING_OCTETS", 0)
    monkeypatch.setattr(runner, "ROUNDS", 0)
    with probing(two_hosts[0]) as here:
        here.start(target=MAC_B, count=200, interval=50_000, timeout=100 * MS)
        session = here.prober.jobs[0]._runner._session
        here.run_until(lambda: session.sent == 200)
        monkeypatch.setattr(runner, "ROUNDS", 4)
        here.run_to_end()
    (summary,) = here.ended
    assert isinstance(summary, Summary)
    assert 0 < summary.received < summary.sent == 200
    assert (summary.lost_here, summary.lost_backward, summary.lost_undetermined) == (summary.lost, 0, 0)


def test_promiscuous_behind_a_vlan_filter(
    two_hosts: tuple[Host, Host], responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as the probe runs, where the NIC drops VLANs and the probe has one; else not."""
    responder()
    a = two_hosts[0]
    for filters, vlan, promiscuity in ((True, "100", 1), (True, None, 0), (False, "100", 0)):
        monkeypatch.setattr(exchange, "filters_vlans", lambda _ifindex, filters=filters: filters)
        with probing(a) as here:
            here.start(target=MAC_B, count=2, interval=10 * MS, vlan=vlan)
            assert a.link("eth1")["promiscuity"] == promiscuity
            here.run_to_end()
        assert a.link("eth1")["promiscuity"] == 0
        (summary,) = here.ended
        assert isinstance(summary, Summary)
        assert (summary.received, summary.vlan, summary.pcp) == (2, vlan, 0 if vlan else None)


def test_a_search_that_too_many_answer(two_hosts: tuple[Host, Host]) -> None:
    """256 are named, and that there are more; it ends then."""
    a, b = two_hosts
    with probing(a) as here, port(b) as far:
        here.start(target=None, count=3, interval=200 * MS)
        here.run_until(lambda: here.prober.jobs[0]._runner._session.sent == 1)
        asked = parse(far.receive())
        assert asked.dst == BROADCAST
        pdu = asked.pdu._replace(op=REPLY)
        for number in range(1000):
            source = f"06:00:00:00:{number >> 8:02x}:{number & 255:02x}"
            far.send(asked._replace(dst=asked.src, src=source, pdu=pdu).octets())
        here.run_to_end()
    (outcome,) = here.ended
    assert isinstance(outcome, SeveralResponders)
    assert (len(outcome.macs), outcome.more) == (256, True)
    assert not any(isinstance(event, Using) for event in here.events)


def test_a_stopped_search_begins_no_run(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """What the search got is the result."""
    responder()
    with probing(two_hosts[0]) as here:
        here.start(target=None, count=3, interval=200 * MS)
        here.run_until(lambda: here.prober.jobs[0]._found)
        here.prober.jobs[0].stop()
        here.run_to_end()
    (summary,) = here.ended
    assert isinstance(summary, Summary)
    assert (summary.target, summary.ended, summary.received) == (BROADCAST, "interrupted", summary.sent)
    assert not any(isinstance(event, Using) for event in here.events)


def test_a_tutorial_server_is_quoted(lone_host: Host, daemon: StartDaemon) -> None:
    """The reply has its words."""
    ours = daemon(lone_host, table("lo", mode="hello"))
    _, reply, summary = ours.objects("probe", "--hello", "-c", "1")
    assert (reply["text"], summary["hello"], summary["pattern"]) == ("HELLO", True, "")


def test_replies_of_another_exchange_have_no_words(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """None."""
    responder()
    with probing(two_hosts[0]) as here:
        here.start(target=MAC_B, count=1)
        here.run_to_end()
    assert [event.text for event in here.events if isinstance(event, Arrived)] == [None]
