"""The service as its administrator sees it: start, status, probe, reload, stop."""

from __future__ import annotations

import json
import subprocess

from tests.lab import MAC_A, MAC_B, StartDaemon, wait_for
from tests.systemd.conftest import CONFIG
from tests.systemd.machine import Service


def test_start_waits_until_the_daemon_is_ready(service: Service) -> None:
    """When `systemctl start` returns the daemon answers, and systemctl says what it does."""
    listener = service.listener()
    assert service.show("ActiveState") == "active"
    assert (listener["interface"], listener["mac"], listener["state"]) == ("eth1", MAC_A, "up")
    assert "eth1" in service.show("StatusText")
    assert service.show("StatusText") in service.systemctl("status").stdout


def test_the_daemon_runs_as_its_own_user_with_one_capability(service: Service) -> None:
    """It is no root, no operator, and has CAP_NET_RAW alone."""
    status = (service.machine.root / "proc" / service.show("MainPID") / "status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    user, group = (service.machine.run("id", option, "_rawecho").stdout.strip() for option in ("-u", "-g"))
    assert fields["Uid"].split() == [user] * 4
    assert fields["Groups"].split() == [group]
    assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {1 << 13}
    assert fields["NoNewPrivs"] == "1"


def test_probes_cross_the_cable_both_ways(service: Service, daemon: StartDaemon) -> None:
    """The service probes a daemon at the peer, and answers that daemon's probe."""
    peer = daemon(service.machine.peer, CONFIG)
    out = json.loads(service.ctl("--json=short", "probe", MAC_B, "--count", "10").stdout.splitlines()[-1])
    back = peer.probe(MAC_A, "--count", "10")
    assert [(each["sent"], each["received"]) for each in (out, back)] == [(10, 10), (10, 10)]
    assert service.listener()["replied"] == 10


def test_the_sandbox_lets_the_daemon_ask_for_hardware_stamps(service: Service, daemon: StartDaemon) -> None:
    """Under the shipped unit the kernel says what the interface has: none, and not that nobody may ask."""
    daemon(service.machine.peer, CONFIG)
    out = service.ctl("--json=short", "probe", MAC_B, "--count", "1", "--hardware-timestamps").stdout
    summary = json.loads(out.splitlines()[-1])
    assert (summary["received"], summary["notes"]) == (1, ["no hardware time stamps: the interface has none"])


def test_reload_takes_a_good_file(service: Service) -> None:
    """After `systemctl reload` the new file is in force, in the same process."""
    pid = service.show("MainPID")
    service.configure(CONFIG.replace('"eth1"', '"lo"'))
    service.systemctl("reload")
    assert service.listener()["interface"] == "lo"
    assert (service.show("MainPID"), service.show("ActiveState")) == (pid, "active")
    [reloaded] = wait_for(lambda: service.events("reloaded"), "the journal to tell")
    assert reloaded["PRIORITY"] == "6"


def test_reload_refuses_a_bad_file(service: Service) -> None:
    """`systemctl reload` fails, the unit stays active with the old configuration and says so."""
    pid = service.show("MainPID")
    service.configure(CONFIG + "\n[log]\nlevel = 'loud'\n")
    assert service.systemctl("reload", check=False).returncode != 0
    assert service.show("StatusText").startswith("old configuration kept: ")
    assert (service.show("MainPID"), service.show("ActiveState")) == (pid, "active")
    assert service.listener()["state"] == "up"
    [refused] = wait_for(lambda: service.events("reload_refused"), "the journal to tell")
    assert "log.level" in refused["MESSAGE"]
    service.configure(CONFIG)
    service.systemctl("reload")
    assert not service.show("StatusText").startswith("old")


def test_sighup_reloads_too(service: Service) -> None:
    """SIGHUP takes the file as `systemctl reload` does, good or bad."""
    service.configure("[echo\n")
    service.systemctl("kill", "--kill-whom=main", "--signal=HUP")
    wait_for(lambda: service.events("reload_refused"), "the refusal")
    service.configure(CONFIG.replace('"eth1"', '"lo"'))
    service.systemctl("kill", "--kill-whom=main", "--signal=HUP")
    wait_for(lambda: service.listener()["interface"] == "lo", "the new listener")
    assert service.show("ActiveState") == "active"


def test_stop_ends_a_running_probe_with_its_summary(service: Service) -> None:
    """`systemctl stop` during a probe: the client gets a summary, the daemon exits with 0."""
    command = [*service.machine.inside, "rawechoctl", "--json=short", "probe", MAC_B, "--count", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        wait_for(lambda: service.status()["probes"], "the probe to run")
        service.systemctl("stop")
        output = client.communicate(timeout=30)[0]
    assert json.loads(output.splitlines()[-1])["event"] == "summary"
    assert (service.show("Result"), service.show("ExecMainStatus")) == ("success", "0")
    assert not (service.machine.root / "run/rawecho").exists()
