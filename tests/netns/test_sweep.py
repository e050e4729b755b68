"""The largest size that passes, against what the interfaces were told to take."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.lab import MAC_B, Daemon, Host, StartDaemon, wait_for
from tests.netns.cable import DROP, PASS, Longer, Script, cable, losing
from tests.netns.conftest import ENGINES, Responder, table
from tests.netns.segment import segment

HEADER = 14


def set_mtu(host: Host, mtu: int, interface: str = "eth1") -> None:
    """Have the kernel take frames of this payload."""
    host.ip("link", "set", interface, "mtu", str(mtu))


def know_mtu(daemon: Daemon, mtu: int) -> None:
    """Wait until the daemon has heard of it."""
    wait_for(lambda: daemon.listener()["mtu"] == mtu, f"MTU {mtu}")


def sweep(daemon: Daemon, sizes: str, *arguments: str) -> dict[str, Any]:
    """The outcome."""
    return daemon.objects("probe", "--sweep", sizes, *arguments)[-1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("near", "far", "largest"), [(1500, 1500, 1514), (9000, 9000, 9014), (9000, 1500, 1514)])
def test_the_smaller_mtu_decides(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon, near: int, far: int, largest: int
) -> None:
    """What passes is what both ends take, whichever engine answers."""
    set_mtu(two_hosts[0], near)
    set_mtu(two_hosts[1], far)
    responder()
    prober = daemon(two_hosts[0], table())
    outcome = sweep(prober, "60..9014", MAC_B)
    assert (outcome["largest"], outcome["first"], outcome["last"]) == (largest, 60, near + HEADER)


def test_a_bridge_in_the_middle_is_found_out(root: None, daemon: StartDaemon) -> None:
    """Both ends take 9000 octets, one port between them takes 2000 and tells nobody."""
    with segment("a", "b") as switch:
        for host in switch.hosts:
            set_mtu(host, 9000)
        set_mtu(switch.switch, 9000, "port1")
        set_mtu(switch.switch, 2000, "port2")
        daemon(switch.hosts[1], table())
        prober = daemon(switch.hosts[0], table())
        # The kernel forwards what is larger than the port's MTU by no more than a tag: is_skb_forwardable().
        assert sweep(prober, "60..9014")["largest"] == 2000 + HEADER + 4


def test_a_lossy_cable_does_not_mislead(root: None, daemon: StartDaemon) -> None:
    """All requests of one size get lost by chance: it is tried again, and found to pass."""
    # The smallest size takes ten requests, the largest one three, the first of the search the next three.
    with cable(there=losing(14, 15, 16)) as made:
        daemon(made.b, table())
        prober = daemon(made.a, table())
        set_mtu(made.middle, 1000, "far")
        events = prober.objects("probe", "--sweep", "60..1514", MAC_B)
    tried = {event["size"]: event["passes"] for event in events if event["event"] == "size"}
    assert tried[787] is True  # after it had seemed not to pass
    assert events[-1]["largest"] == 1014


def test_a_hole_below_the_largest_size_is_mentioned(root: None, daemon: StartDaemon) -> None:
    """The largest size passes, and so does the smallest: that says nothing of those between them."""
    with cable(there=Script(matching={Longer(800): PASS, Longer(699): DROP})) as made:
        daemon(made.b, table())
        prober = daemon(made.a, table())
        outcome = sweep(prober, "60..1514", MAC_B)
        result = prober.ctl("probe", MAC_B, "--sweep", "60..1514")
    assert (outcome["largest"], outcome["holes"]) == (1514, [[700, 800]])
    assert result.stdout.endswith(
        "1514 octets pass (a payload of 1500), as many as were tried\n"
        "but 700 to 800 octets do not pass, as far as was tried\n"
    )


def test_more_than_the_interface_takes_is_said(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon
) -> None:
    """The range is cut to what the interface takes, and a sentence says so."""
    responder()
    result = daemon(two_hosts[0], table()).ctl("probe", MAC_B, "--sweep", "60..9000")
    assert result.returncode == 0
    assert "eth1 takes at most 1514 octets (MTU 1500 and the header): no more is tried\n" in result.stdout
    assert result.stdout.endswith("1514 octets pass (a payload of 1500), as many as were tried\n")


def test_nobody_answers(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Not even the smallest size passes: exit status 1, and no search."""
    result = daemon(two_hosts[0], table()).ctl("probe", MAC_B, "--sweep", "60..1514", "-W", "0.1")
    assert (result.returncode, result.stdout.splitlines()[-1]) == (1, "not even 60 octets pass")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sweep", "100..60"), "two sizes are needed"),
        (("--sweep", "60-1514"), "two sizes are needed"),
        (("--sweep", "60..100", "-s", "70"), "--size does not go together with --sweep"),
        (("--sweep", "60..100", "broadcast"), "--sweep needs a single target"),
        (("--sweep", "60..100", MAC_B, "02:00:00:00:00:0c"), "--sweep needs a single target"),
        (("--sweep", "2000..9000", MAC_B), "2000 octets: eth1 takes 60 to 1514"),
        (("--sweep", "10..100", MAC_B), "size: found 10; allowed: at least 60"),
    ],
)
def test_usage(two_hosts: tuple[Host, Host], daemon: StartDaemon, arguments: tuple[str, ...], words: str) -> None:
    """What can't be swept is said in a sentence, with exit status 2."""
    result = daemon(two_hosts[0], table()).ctl("probe", *arguments)
    assert result.returncode == 2, result
    assert words in result.stderr


def test_ctrl_c_ends_it(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """In the midst of waiting: at once, with exit status 1."""
    process = daemon(two_hosts[0], table()).ctl_popen("probe", MAC_B, "--sweep", "60..1514", "-W", "60")
    assert process.stdout
    assert process.stdout.readline().startswith("SWEEP")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output.endswith("interrupted: the largest size that passes was not found\n")
