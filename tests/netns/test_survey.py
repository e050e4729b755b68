"""Surveys of cables with known faults, made by the test."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from rawechoctl.findings import NO_TAGS, UNALTERED
from tests.lab import MAC_B, Daemon, Host, StartDaemon
from tests.netns.cable import CLEAN, DROP, Action, Longer, Octets, Script, cable
from tests.netns.conftest import ENGINES, Responder, table
from tests.netns.frames import PAE_GROUP, mac

TAGGED = Octets(12, b"\x81\x00")
SMALL = ("--to", "unicast", "--ethertypes", "ETH_P_802_EX1", "-W", "0.3")


def survey(daemon: StartDaemon, there: Script, *arguments: str, back: Script = CLEAN) -> dict[str, Any]:
    """The survey's one object, through a cable with these scripts."""
    with cable(there, back) as made:
        daemon(made.b, table(tap="all"))
        return daemon(made.a, table()).objects("survey", MAC_B, *arguments)[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_clean_cable(two_hosts: tuple[Host, Host], daemon: StartDaemon, engine: str) -> None:
    """All EtherTypes, tags, priorities, sizes and destinations pass, whichever engine answers."""
    daemon(two_hosts[1], table(engine=engine, tap="all"))
    found = daemon(two_hosts[0], table()).objects("survey")[0]
    assert found["target"] == MAC_B
    assert len(found["cells"]) == 60
    assert {cell["result"] for cell in found["cells"]} == {"passes"}
    assert found["findings"] == [UNALTERED]
    assert found["interrupted"] is False


def test_a_bridge_keeps_the_pae_group(root: None, daemon: StartDaemon) -> None:
    """Only the group is lost, with either EtherType."""
    found = survey(daemon, Script(matching={Octets(0, mac(PAE_GROUP)): DROP}), "--vlans", "none")
    assert found["findings"] == ["frames to the PAE group do not pass"]
    lost = {cell["destination"] for cell in found["cells"] if cell["result"] == "lost"}
    assert lost == {"pae-group"}


def test_tags_are_dropped(root: None, daemon: StartDaemon) -> None:
    """No tagged frame comes through."""
    found = survey(daemon, Script(matching={TAGGED: DROP}), *SMALL)
    assert found["findings"] == [NO_TAGS]


def test_tags_are_stripped(root: None, daemon: StartDaemon) -> None:
    """Tagged requests arrive without their tags, and so do the replies."""
    found = survey(daemon, Script(matching={TAGGED: Action(cut=(12, 4))}), *SMALL)
    assert found["findings"] == [
        "frames with a priority tag (VLAN 0) come back without their tag, or with another one",
        "frames of VLAN 100 come back without their tag, or with another one",
    ]


def test_priorities_are_cleared(root: None, daemon: StartDaemon) -> None:
    """A switch on the way back sets every priority to 0: those cells that were sent with 7 show it."""
    back = Script(matching={TAGGED: Action(mask=(14, 0x1F))})
    found = survey(daemon, CLEAN, *SMALL, "--vlans", "none,100", back=back)
    assert found["findings"] == ["frames of VLAN 100 come back with another priority"]
    results = {(cell["vlan"], cell["pcp"]): (cell["result"], cell["altered"]) for cell in found["cells"]}
    assert results == {
        ("none", 0): ("passes", ""),
        ("100", 0): ("passes", ""),
        ("100", 7): ("altered", "priority"),
    }


def test_a_translated_vlan(root: None, daemon: StartDaemon) -> None:
    """100 becomes 356 on the way back: the octet that differs has the priority too, which is as it was."""
    back = Script(matching={TAGGED: Action(xor=(14, 1))})
    found = survey(daemon, CLEAN, *SMALL, "--vlans", "100", back=back)
    assert found["findings"] == ["frames of VLAN 100 come back in another VLAN"]
    assert {cell["altered"] for cell in found["cells"]} == {"vlan"}


def test_large_frames_are_dropped(root: None, daemon: StartDaemon) -> None:
    """The path takes 1504 octets, and not one more."""
    found = survey(
        daemon,
        Script(matching={Longer(1504): DROP}),
        *SMALL,
        "--sizes",
        "60,1504,1505,max",
        "--vlans",
        "none",
    )
    assert found["findings"] == ["nothing above 1504 octets passes (of the sizes that were tried)"]


def test_the_table(two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon) -> None:
    """A row for each EtherType, destination and tag; what can't be sent is told apart."""
    responder(tap="all")
    result = daemon(two_hosts[0], table()).ctl(
        "survey", MAC_B, *SMALL, "--sizes", "60,2000", "--priorities", "5", "--vlans", "none,7"
    )
    assert result.returncode == 0, result
    assert result.stdout == (
        f"SURVEY of {MAC_B} on eth1: 4 combinations\n\n"
        "EtherType      to       tag                60   2000\n"
        "ETH_P_802_EX1  unicast  untagged           yes  not sent\n"
        "ETH_P_802_EX1  unicast  VLAN 7 priority 5  yes  not sent\n\n"
        f"{UNALTERED}\n"
        "2 combinations could not be sent: 2000 octets: eth1 takes 60 to 1514 (MTU 1500 and the header)\n"
    )


def test_nobody_answers(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Without a target: exit status 1 at once. With one: every cell is tried, and lost."""
    prober = daemon(two_hosts[0], table())
    result = prober.ctl("survey")
    assert (result.returncode, result.stdout) == (1, "nobody answers\n")
    result = prober.ctl("survey", MAC_B, *SMALL)
    assert (result.returncode, result.stdout.splitlines()[-1]) == (1, "nothing passes")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "everybody"), "--to everybody: one or several of unicast, broadcast, pae-group"),
        (("broadcast",), "survey needs a single target, not broadcast"),
        (("--sizes", "60,x"), "--sizes: 'x' is not a whole number"),
        (("--sizes", ""), "0 combinations; from 1 to 1000 can be tried"),
        (("--vlans", ",".join(map(str, range(200)))), "combinations; from 1 to 1000 can be tried"),
    ],
)
def test_usage(lone_host: Host, daemon: StartDaemon, arguments: tuple[str, ...], words: str) -> None:
    """Wrong axes are refused with a sentence before anything is sent."""
    result = daemon(lone_host, table("lo")).ctl("survey", *arguments)
    assert result.returncode == 2
    assert words in result.stderr


def test_ctrl_c_shows_what_is_known(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon
) -> None:
    """The cells that were tried so far, that it was interrupted, and nothing about the others."""
    responder()
    prober: Daemon = daemon(two_hosts[0], table())
    many = ",".join(map(str, range(1, 60)))
    process = prober.ctl_popen(
        "-j", "survey", MAC_B, "--vlans", many, "--to", "broadcast", "--ethertypes", "0x9000"
    )
    while not prober.status()["probes"]:
        pass
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    found = json.loads(output)
    tried, total = len(found["cells"]), 59 * 2 * 2
    assert tried < total
    assert found["interrupted"] is True
    left = f"interrupted: {total - tried} of {total} combinations were not tried"
    assert not tried or found["findings"][-1] == left
    assert {cell["result"] for cell in found["cells"]} <= {"passes"}
