"""The box itself: what the other tests of this directory stand on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import wait_for
from tests.systemd.machine import BOX, Machine


@pytest.fixture(scope="module")
def bare(root: None) -> Iterator[Machine]:
    """A machine with nothing of ours in it."""
    machine = Machine()
    yield machine
    machine.close()


def test_all_units_of_a_new_machine_start(bare: Machine) -> None:
    """Nothing of the machine's own has failed, so that a failure in a test is a failure of ours."""
    assert bare.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout == ""
    assert bare.run("systemctl", "is-system-running").stdout == "running\n"


def test_a_reboot_keeps_files_and_counts_in_the_journal(bare: Machine) -> None:
    """After a reboot the files are there, and the journal knows two boots."""
    (bare.root / "root/kept").write_text("kept")
    bare.reboot()
    assert (bare.root / "root/kept").read_text() == "kept"
    assert len(bare.run("journalctl", "--list-boots", "--quiet").stdout.splitlines()) == 2


def test_the_cable_has_its_other_end_at_the_peer(bare: Machine) -> None:
    """A frame from the peer arrives at the machine's eth1."""
    before = int((bare.root / "sys/class/net/eth1/statistics/rx_packets").read_text())
    with bare.peer.raw_socket("eth1") as raw:
        raw.send(bytes(60))
    after = bare.root / "sys/class/net/eth1/statistics/rx_packets"
    wait_for(lambda: int(after.read_text()) == before + 1, "the frame to arrive")


def test_a_machine_dies_with_its_owner(root: None) -> None:
    """Who is killed takes the box along: its directory, its namespaces and its cgroups are gone."""
    with subprocess.Popen(
        ["bash", "-c", f"{BOX} up; read"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout
        box = Path(owner.stdout.readline().decode().strip())
        cgroups = [Path(line) for line in (box / "cgroups").read_text().splitlines()]
        namespaces = [Path("/run/netns", name) for name in (box.name, f"{box.name}-peer")]
        traces = [box, *cgroups, *namespaces]
        assert cgroups
        assert all(trace.exists() for trace in traces)
        owner.kill()
    wait_for(lambda: not any(trace.exists() for trace in traces), "the box to go")
