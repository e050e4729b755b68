"""The whole matrix: what answers on which kernel with which driver, for the table of docs/engines.md.

Only with --matrix: a cell takes minutes. Each writes a line to build/matrix.json, of which
`python -m tests.machines.table` makes the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.lab import REPOSITORY
from tests.machines.computer import Computer
from tests.machines.guest import nics
from tests.packages.conftest import Build

MODELS = ("virtio-net-pci", "e1000e", "igb", "vmxnet3", "rtl8139", "e1000")
ENGINES: dict[str, dict[str, Any]] = {
    "epoll": {"engine": "epoll"},
    "generic": {"engine": "ebpf", "xdp": "generic"},
    "native": {"engine": "ebpf", "xdp": "native"},
}
RESULTS = REPOSITORY / "build/matrix.json"


@pytest.fixture(scope="module", params=MODELS)
def machine(request: pytest.FixtureRequest, release: str, built: Build) -> Iterator[Computer]:
    """One of each kernel and driver."""
    if f'"{request.param}"' not in nics():
        pytest.skip(f"this QEMU has no {request.param}")
    computer = Computer(release, built(release), request.param)
    yield computer
    computer.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_cell(machine: Computer, engine: str) -> None:
    """Untagged, tagged and long frames are answered, by the engine that `status` names."""
    if engine == "native":  # It wants tags left in the frame.
        machine.guest.run("ethtool --offload near rxvlan off", check=False)
    machine.configure(promiscuous=True, **ENGINES[engine])
    machine.probe()  # Native mode's first answers are its trial.
    received = [machine.probe(*words)["received"] for words in ((), ("--vlan", "100"), ("--size", "1514"))]
    listener = machine.listener()
    cell = {name: listener[name] for name in ("engine", "xdp", "notes")}
    cell |= {"kernel": machine.kernel, "driver": machine.driver(), "wanted": engine, "received": received}
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as results:
        results.write(json.dumps(cell | {"date": datetime.now(tz=UTC).date().isoformat()}) + "\n")
    assert received == [5, 5, 5]
    assert listener["engine"] == ENGINES[engine]["engine"]
