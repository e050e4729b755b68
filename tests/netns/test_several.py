"""Several targets at once."""

from __future__ import annotations

import json
import signal

from tests.lab import MAC_B, Daemon, Host, StartDaemon
from tests.netns.conftest import Responder, table
from tests.netns.segment import Segment, segment

NOBODY = "02:00:00:00:00:77"
FAST = ("-c", "3", "-i", "0.02", "-W", "0.3")


def test_all_answer(root: None, daemon: StartDaemon) -> None:
    """Each target's lines begin with its name; a summary each; exit status 0."""
    with segment("a", "b", "c") as switch:
        for host in switch.hosts[1:]:
            daemon(host, table())
        prober = daemon(switch.hosts[0], table() + f'[hosts]\nbee = "{Segment.mac(1)}"\n')
        result = prober.ctl("probe", "bee", Segment.mac(2), *FAST)
    assert result.returncode == 0, result
    for name, mac in (("bee".ljust(17), Segment.mac(1)), (Segment.mac(2), Segment.mac(2))):
        assert result.stdout.count(f"{name}: reply from {mac}: seq=") == 3
    assert f"--- bee ({Segment.mac(1)}) on eth1 ---" in result.stdout
    assert f"--- {Segment.mac(2)} on eth1 ---" in result.stdout
    assert result.stdout.count("3 sent, 3 received, 0% lost") == 2
    assert result.stdout.endswith("2 of 2 targets answered\n")


def test_one_does_not_answer(two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon) -> None:
    """Exit status 1, and who it was."""
    responder()
    result = daemon(two_hosts[0], table()).ctl("probe", MAC_B, NOBODY, *FAST, "-q")
    assert result.returncode == 1, result
    assert result.stdout.endswith(f"1 of 2 targets answered; no reply from {NOBODY}\n")


def test_one_is_no_target(two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon) -> None:
    """Exit status 2; the others are probed all the same."""
    responder()
    result = daemon(two_hosts[0], table()).ctl("probe", MAC_B, "whoever", *FAST)
    assert result.returncode == 2, result
    assert "rawechoctl: whoever: 'whoever' is no MAC address" in result.stderr
    assert "3 sent, 3 received" in result.stdout


def test_json_names_the_target(two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon) -> None:
    """Every object says which target it is about, as it was written."""
    responder()
    events = daemon(two_hosts[0], table()).objects("probe", MAC_B, NOBODY, *FAST)
    summaries = {event["name"]: event for event in events if event["event"] == "summary"}
    assert {name: one["received"] for name, one in summaries.items()} == {MAC_B: 3, NOBODY: 0}
    assert {event["name"] for event in events} == {MAC_B, NOBODY}


def test_until_reply_ends_each_for_itself(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon
) -> None:
    """Who has answered is asked no more; the others are asked on until the deadline."""
    responder()
    prober = daemon(two_hosts[0], table())
    events = prober.objects("probe", MAC_B, NOBODY, "--until-reply", "-i", "0.02", "-w", "1", "-W", "0.1")
    summaries = {event["name"]: event for event in events if event["event"] == "summary"}
    assert summaries[MAC_B]["received"]
    # A request or two may leave before the client has said that it has enough.
    assert summaries[MAC_B]["sent"] < summaries[NOBODY]["sent"] / 2


def test_ctrl_c_brings_all_summaries(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon
) -> None:
    """Endless probes of several targets end with a summary each."""
    responder()
    process = daemon(two_hosts[0], table()).ctl_popen("-j", "probe", MAC_B, NOBODY, "-c", "0", "-i", "0.05")
    assert process.stdout
    while json.loads(process.stdout.readline())["event"] != "reply":
        pass
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    events = [json.loads(line) for line in rest.splitlines()]
    assert {event["name"] for event in events if event["event"] == "summary"} == {MAC_B, NOBODY}
    assert process.returncode == 1


def test_options_for_one_target(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Views of one target, and too many targets, are refused with a sentence."""
    prober: Daemon = daemon(two_hosts[0], table())
    result = prober.ctl("probe", MAC_B, NOBODY, "--csv", "-")
    assert (result.returncode, result.stderr) == (2, "rawechoctl: --csv shows one target, not several\n")
    many = [f"02:00:00:00:01:{number:02x}" for number in range(65)]
    result = prober.ctl("probe", *many)
    assert (result.returncode, result.stderr) == (2, "rawechoctl: 65 targets; at most 64 are probed at once\n")
