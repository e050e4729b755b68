"""Who answers on a segment."""

from __future__ import annotations

from tests.lab import MAC_A, MAC_B, Host, StartDaemon
from tests.netns.conftest import Responder, table
from tests.netns.frames import parse
from tests.netns.port import port
from tests.netns.segment import Segment, segment
from tests.netns.test_eap import Authenticator


def test_every_responder_is_found(root: None, daemon: StartDaemon) -> None:
    """Each with the EtherTypes and the ways through which it answers; the PAE group ends at the bridge."""
    with segment("a", "b", "c", "d") as switch:
        daemon(switch.hosts[1], table())
        daemon(switch.hosts[2], table(ethertype="ETH_P_PAE"))
        daemon(switch.hosts[3], table(ethertype="ETH_P_802_EX1"))
        found = daemon(switch.hosts[0], table()).objects("discover")[0]
    ways = {
        one["mac"]: [(answer["ethertype"], answer["through"]) for answer in one["answers"]]
        for one in found["responders"]
    }
    first, second = ("ETH_P_802_EX1", "broadcast"), ("ETH_P_PAE", "broadcast")
    assert ways == {Segment.mac(1): [first, second], Segment.mac(2): [second], Segment.mac(3): [first]}
    answers = [answer for one in found["responders"] for answer in one["answers"]]
    assert {answer["version"] for answer in answers} == {2}
    assert all(answer["rtt_ns"] > 0 for answer in answers)
    assert found["interface"] == "eth1"


def test_the_pae_group_answers_on_a_cable(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon
) -> None:
    """Where no bridge is between; and an EtherType that was asked for is listed too."""
    responder()
    result = daemon(two_hosts[0], table()).ctl("discover", "--ethertype", "0x9000")
    assert result.returncode == 0, result
    lines = [line.split()[:-2] for line in result.stdout.splitlines()[3:]]
    assert lines == [
        [MAC_B, "0x9000", "broadcast", "2"],
        ["ETH_P_802_EX1", "broadcast", "2"],
        ["ETH_P_PAE", "broadcast", "2"],
        ["ETH_P_PAE", "pae-group", "2"],
    ]


def test_nobody_is_there(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Exit status 1, and where it was asked."""
    result = daemon(two_hosts[0], table()).ctl("discover", "-c", "1", "-W", "0.1")
    assert result.returncode == 1, result
    assert result.stdout.startswith("asked on eth1: ETH_P_802_EX1 through broadcast, ")
    assert result.stdout.endswith("\nnobody answers\n")


def test_ten_requests_a_second(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Twelve requests in three kinds take at least eleven tenths of a second, but for the last one's haste."""
    with port(two_hosts[1]) as far:
        daemon(two_hosts[0], table()).ctl("discover", "-c", "4", "-W", "0.1")
        stamps = sorted(parse(far.receive()).pdu.t1 for _ in range(12))
    assert stamps[-1] - stamps[0] > 0.9e9


def test_only_operators(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """It transmits: exit status 4 for everybody else."""
    result = daemon(two_hosts[0], table()).ctl("discover", uid=1234)
    assert result.returncode == 4, result


def test_an_interface_that_may_not_be_used(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Exit status 2, and which may."""
    result = daemon(two_hosts[0], table()).ctl("discover", "-I", "eth7")
    assert result.returncode == 2
    assert "probing from eth7 is not configured; allowed: eth1" in result.stderr


def test_an_authenticator_is_seen(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Real EAP requests are told apart from answers: nobody answers, and who asked is named."""
    prober = daemon(two_hosts[0], table())
    with port(two_hosts[1]) as far:
        authenticator = Authenticator(far, MAC_A, MAC_B)
        try:
            found = prober.objects("discover", "-c", "1", "-W", "0.2")[0]
            text = prober.ctl("discover", "-c", "1", "-W", "0.2").stdout
        finally:
            authenticator.stop()
    assert (found["responders"], found["authenticators"]) == ([], [MAC_B])
    assert f"{MAC_B} is a real 802.1X authenticator: it sent EAP requests\nnobody answers\n" in text


def test_lo_says_that_it_is_lo(lone_host: Host, daemon: StartDaemon) -> None:
    """The shipped configuration answers itself, and says how to reach somebody else."""
    result = daemon(lone_host, table("lo")).ctl("discover", "-c", "1", "-W", "0.1")
    assert result.returncode == 0
    assert "loopback only: set interface in " in result.stdout
