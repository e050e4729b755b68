"""Probes that ask for the NIC's stamps, on interfaces that have none, and with a stand-in for a NIC that has."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from rawechod.link import LOOPBACK_ONLY
from rawechod.packet import batch, timestamps
from rawechod.packet.hardware import EVERY_FRAME, OFF
from rawechod.packet.timestamps import Transmitted
from rawechod.probe import early, runner
from rawechod.probe.events import Arrived, Start, Summary
from rawechod.probe.job import INCOMPLETE
from tests.lab import MAC_B, Host, StartDaemon
from tests.netns.conftest import Cable, Responder, table
from tests.netns.in_process import Here
from tests.unit.nic import Nic

ASKED = ("-c", "3", "-i", "10ms", "--hardware-timestamps")
PROBLEM = "no hardware time stamps: the interface has none"
MS = 1_000_000
STAMPED = {"hardware_timestamps": True}


def test_a_cable_has_none(cable: Cable) -> None:
    """The probe runs with the kernel's stamps, and says why at its start and at its end."""
    start, *replies, summary = cable.ours.objects("probe", MAC_B, *ASKED)
    assert (start["note"], summary["notes"]) == (PROBLEM, [PROBLEM])
    assert [reply["hardware_stamped"] for reply in replies] == [False] * 3
    assert (summary["received"], summary["timestamps"] in ("kernel", "mixed", "user")) == (3, True)


def test_what_a_person_sees(cable: Cable) -> None:
    """Under the first line and under the summary; nothing of it where nobody asked."""
    lines = cable.ours.ctl("probe", MAC_B, *ASKED).stdout.splitlines()
    assert (lines[1], lines[-1]) == (PROBLEM, f"note: {PROBLEM}")
    assert PROBLEM not in cable.ours.ctl("probe", MAC_B, *ASKED[:-1]).stdout


def test_both_notes_on_lo(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """The one about lo stays."""
    start, *_, summary = daemon(two_hosts[0], table("lo")).objects("probe", *ASKED)
    assert start["note"] == f"{LOOPBACK_ONLY}; {PROBLEM}"
    assert (summary["received"], summary["notes"]) == (3, [PROBLEM])


def test_too_fast_for_stamps(cable: Cable) -> None:
    """Refused with a sentence; at the bound it runs."""
    for pace in (("--rate", "10001"), ("--flood",)):
        refused = cable.ours.ctl("probe", MAC_B, *pace, "-c", "3", "--hardware-timestamps")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "up to 10,000 frames a second are stamped" in refused.stderr
    assert cable.ours.probe(MAC_B, "--rate", "10000", "-c", "3", "--hardware-timestamps")["received"] == 3


def test_not_in_a_sweep(cable: Cable) -> None:
    """It would switch the NIC for every size."""
    refused = cable.ours.ctl("probe", MAC_B, "--sweep", "60..100", "--hardware-timestamps")
    assert refused.returncode == 2
    assert refused.stderr == "rawechoctl: --hardware-timestamps does not go together with --sweep\n"


class Stamping:
    """Stands in for a NIC's stamps: those of the kernel by a clock of its own, a request's 1 ns later.

    A request's is told when the next one has left, and so behind its reply; the last one's comes by itself.
    """

    BEGAN = 1_000_000_000

    def __init__(self, patch: pytest.MonkeyPatch, last: int | None) -> None:
        self._last = last
        """None: no request's stamp is ever told."""
        self._kept: list[Transmitted] = []
        self._transmitted, self._ancillary = timestamps.transmitted, batch._ancillary
        patch.setattr(timestamps, "transmitted", self.transmitted)
        patch.setattr(batch, "_ancillary", self.ancillary)

    def transmitted(self, sock: socket.socket) -> Iterator[Transmitted]:
        """In place of timestamps.transmitted."""
        for told in self._transmitted(sock):
            yield told
            if self._last is not None:
                yield from self._kept
                self._kept = [Transmitted(told.frame, 0, told.kernel - self.BEGAN + 1)]
                yield from self._kept if told.frame == self._last else ()

    def ancillary(self, controls: bytearray, start: int, used: int) -> tuple[tuple[int, int] | None, int, int]:
        """In place of batch._ancillary."""
        tag, received_at, _ = self._ancillary(controls, start, used)
        return tag, received_at, (received_at or time.time_ns()) - self.BEGAN


def probed(host: Host, count: int) -> tuple[list[Arrived], Summary]:
    """The replies and the summary of a probe from this host that asks for the NIC's stamps."""
    with host.entered():
        here = Here(Nic())
        here.start(**STAMPED, target=MAC_B, count=count, interval=2 * MS)
        here.reactor.run()
        here.close()
    (summary,) = here.ended
    assert isinstance(summary, Summary)
    return [event for event in here.events if isinstance(event, Arrived)], summary


def test_stamps_that_come_behind_the_replies(
    two_hosts: tuple[Host, Host], responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are waited for: every round trip is between the NIC's, and told in its order."""
    responder()
    Stamping(monkeypatch, last=9)
    monkeypatch.setattr(early, "PATIENCE", 60_000 * MS)
    replies, summary = probed(two_hosts[0], 10)
    assert [(reply.seq, reply.hardware_stamped, reply.kernel_stamped) for reply in replies] == [
        (seq, True, False) for seq in range(1, 11)
    ]
    assert (summary.received, summary.timestamps, summary.notes) == (10, "hardware", [])


def test_stamps_that_never_come(
    two_hosts: tuple[Host, Host], responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are not waited for for ever: the replies are timed without them, and a note says so."""
    responder()
    Stamping(monkeypatch, last=None)
    replies, summary = probed(two_hosts[0], 10)
    assert [(reply.seq, reply.hardware_stamped) for reply in replies] == [(seq, False) for seq in range(1, 11)]
    assert (summary.received, summary.notes) == (10, [INCOMPLETE])


def test_stopped_while_replies_wait(
    two_hosts: tuple[Host, Host], responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have come, so they are received; nobody waits any longer."""
    responder()
    Stamping(monkeypatch, last=None)
    monkeypatch.setattr(early, "PATIENCE", 60_000 * MS)
    monkeypatch.setattr(runner, "PATIENCE", 60_000 * MS)
    with two_hosts[0].entered():
        here = Here(Nic())
        here.start(**STAMPED, target=MAC_B, count=5, interval=2 * MS)
        waiting = here.prober.jobs[0]._runner._early._waiting

        def stop_if_all_wait() -> None:
            if len(waiting) == 5:
                here.prober.stop_all()
            else:
                here.reactor.call_at(here.reactor.now() + MS, stop_if_all_wait)

        stop_if_all_wait()
        here.reactor.run()
        here.close()
    (summary,) = here.ended
    assert isinstance(summary, Summary)
    assert (summary.sent, summary.received, summary.outstanding) == (5, 5, 0)


@pytest.mark.parametrize("target", [MAC_B, None], ids=["named", "searched for"])
def test_switched_while_probes_run(two_hosts: tuple[Host, Host], responder: Responder, target: str | None) -> None:
    """On with the first probe, off with the last; a NIC that keeps its stamps to itself is told of."""
    responder()
    with two_hosts[0].entered():
        here = Here(Nic())
        here.start(**STAMPED, target=target, count=2, interval=10 * MS)
        here.start(**STAMPED, target=target, count=5, interval=20 * MS)
        assert here.nic.setting == EVERY_FRAME
        here.reactor.run()
        here.close()
    assert [event.note for event in here.events if isinstance(event, Start)] == ["", ""]
    for outcome in here.ended:
        assert isinstance(outcome, Summary)
        assert outcome.received == outcome.sent
        assert (outcome.timestamps != "hardware", outcome.notes) == (True, [INCOMPLETE])
    assert here.nic.sets == [EVERY_FRAME, OFF]


def test_switched_off_when_the_daemon_stops(two_hosts: tuple[Host, Host]) -> None:
    """However many probes there are."""
    with two_hosts[0].entered():
        here = Here(Nic())
        for _ in range(3):
            here.start(**STAMPED, target=MAC_B, count=0)
        here.prober.stop_all()
        here.close()
    assert len(here.ended) == 3
    assert here.nic.sets == [EVERY_FRAME, OFF]
