"""Probes that ask for the NIC's stamps, on interfaces that have none, and with a stand-in for a NIC that has."""

from __future__ import annotations

from typing import Any

import pytest

from rawechod import config
from rawechod.link import LOOPBACK_ONLY, LinkMonitor
from rawechod.packet.hardware import EVERY_FRAME, OFF, Switch
from rawechod.probe.events import ProbeEvent, Start, Summary
from rawechod.probe.job import INCOMPLETE, Outcome
from rawechod.probe.prober import Prober, Wish
from rawechod.reactor import Reactor
from tests.lab import MAC_B, Host, StartDaemon
from tests.netns.conftest import Cable, Responder, table
from tests.unit.nic import Nic

ASKED = ("-c", "3", "-i", "10ms", "--hardware-timestamps")
PROBLEM = "no hardware time stamps: the interface has none"
MS = 1_000_000


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


class Here:
    """A prober in the test's own process, on host a's end of the cable, behind a stand-in for its NIC."""

    def __init__(self, nic: Nic) -> None:
        self.events: list[ProbeEvent] = []
        self.ended: list[Outcome] = []
        self.nic = nic
        self.reactor = Reactor()
        self.links = LinkMonitor(lambda: None)
        settings = config.parse({"probe": {"interface": "eth1"}}, "test")
        self.prober = Prober(self.reactor, self.links, settings, Switch(nic.ioctl))

    def start(self, **wish: Any) -> None:
        """One that asks for the NIC's stamps."""
        self.prober.start(Wish(**{"hardware_timestamps": True} | wish), self.events.append, self._end)

    def _end(self, outcome: Outcome) -> None:
        self.ended.append(outcome)
        if not self.prober.jobs:
            self.reactor.stop()

    def close(self) -> None:
        """Give everything back."""
        self.links.close()
        self.reactor.close()


@pytest.mark.parametrize("target", [MAC_B, None], ids=["named", "searched for"])
def test_switched_while_probes_run(two_hosts: tuple[Host, Host], responder: Responder, target: str | None) -> None:
    """On with the first probe, off with the last; a NIC that keeps its stamps to itself is told of."""
    responder()
    with two_hosts[0].entered():
        here = Here(Nic())
        here.start(target=target, count=2, interval=10 * MS)
        here.start(target=target, count=5, interval=20 * MS)
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
            here.start(target=MAC_B, count=0)
        here.prober.stop_all()
        here.close()
    assert len(here.ended) == 3
    assert here.nic.sets == [EVERY_FRAME, OFF]
