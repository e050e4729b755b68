"""Hardware time stamps: when a NIC is switched, when it is left alone, and that it is left as it was found."""

from __future__ import annotations

import errno
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawechod.errors import StampError
from rawechod.packet import hardware, timestamps
from rawechod.packet.hardware import CONFIG, EVERY_FRAME, IFREQ, OFF, TS_INFO, Abilities, Hold, Setting, Switch
from tests.lab import Host, as_user
from tests.peers.build import HERE, compile_c
from tests.unit.nic import EVERYTHING, Nic

LO = socket.if_nametoindex("lo")
"""An interface that is everywhere; its stamps are the stand-in's."""
SOFTWARE = timestamps.RECEIVE | timestamps.TX_SOFTWARE
PTP_V2_EVENT, ONESTEP_SYNC, SOME = 12, 2, 2
NONE_AT_ALL = Abilities(SOFTWARE, 0, 0)
RECEIVE_ONLY = Abilities(timestamps.RX_HARDWARE | timestamps.RAW_HARDWARE, 0b01, 0b11)
PTP_ALONE = EVERYTHING._replace(rx_filters=1 | 1 << PTP_V2_EVENT)
FOR_PTP = Setting(0, 1, PTP_V2_EVENT)

TABLE = {
    "off": (EVERYTHING, OFF, True),
    "on for every frame": (EVERYTHING, EVERY_FRAME, False),
    "on for every frame, with one-step Syncs": (EVERYTHING, Setting(0, ONESTEP_SYNC, 1), False),
    "on for every frame, though it says it can't": (PTP_ALONE, EVERY_FRAME, False),
    "on for PTP": (EVERYTHING, FOR_PTP, "somebody else has set the interface"),
    "on for some": (EVERYTHING, Setting(0, 1, SOME), "somebody else has set the interface"),
    "on for what is sent": (EVERYTHING, Setting(0, 1, 0), "somebody else has set the interface"),
    "on for what is received": (EVERYTHING, Setting(0, 0, 1), "somebody else has set the interface"),
    "no hardware stamps": (NONE_AT_ALL, None, "has none"),
    "none of what is sent": (RECEIVE_ONLY, OFF, "has none"),
    "none but of PTP": (PTP_ALONE, OFF, "for PTP alone"),
    "none but of PTP, and in use": (PTP_ALONE, FOR_PTP, "for PTP alone"),
    "nobody knows": (EVERYTHING, None, "does not tell whether somebody uses them"),
}


@pytest.mark.parametrize(("abilities", "present", "outcome"), TABLE.values(), ids=TABLE)
def test_decision(abilities: Abilities, present: Setting | None, outcome: bool | str) -> None:
    """Switch what is off, use what serves, leave alone what is somebody else's."""
    if isinstance(outcome, str):
        with pytest.raises(StampError, match=outcome):
            hardware.must_switch(abilities, present)
    else:
        assert hardware.must_switch(abilities, present) is outcome


@pytest.mark.parametrize(("abilities", "present", "outcome"), TABLE.values(), ids=TABLE)
def test_the_nic_is_left_as_it_was_found(
    abilities: Abilities, present: Setting | None, outcome: bool | str
) -> None:
    """Whatever it was; only one that was off is ever touched."""
    nic = Nic(abilities, present)
    hold = Hold(Switch(nic.ioctl), True)
    hold.move(LO)
    assert hold.granted is (not isinstance(outcome, str))
    assert bool(hold.problem) is not hold.granted
    hold.close()
    assert nic.setting == present
    assert nic.sets == ([EVERY_FRAME, OFF] if outcome is True else [])


def test_nothing_is_asked_unless_wanted() -> None:
    """A probe that does not want hardware stamps claims nothing."""
    nic = Nic()
    hold = Hold(Switch(nic.ioctl), False)
    hold.move(LO)
    assert (hold.granted, hold.problem, nic.sets) == (False, "", [])
    hold.close()


def test_the_last_of_several_switches_off() -> None:
    """In whatever order they end; closing twice counts once."""
    nic = Nic()
    switch = Switch(nic.ioctl)
    first, second = Hold(switch, True), Hold(switch, True)
    for hold in (first, second):
        hold.move(LO)
        assert hold.granted
    first.close()
    first.close()
    assert nic.setting == EVERY_FRAME
    second.close()
    assert nic.sets == [EVERY_FRAME, OFF]


def test_somebody_elses_change_stays() -> None:
    """A setting that is not ours any more when the probe ends is left alone."""
    nic = Nic()
    hold = Hold(Switch(nic.ioctl), True)
    hold.move(LO)
    nic.setting = FOR_PTP
    hold.close()
    assert (nic.setting, nic.sets) == (FOR_PTP, [EVERY_FRAME])


def test_a_driver_that_does_something_else() -> None:
    """What it sets instead of what it is told is of no use, and is undone."""
    nic = Nic()
    nic.grants = FOR_PTP
    hold = Hold(Switch(nic.ioctl), True)
    hold.move(LO)
    assert hold.problem == "no hardware time stamps: the interface's driver does not stamp every frame"
    assert nic.sets == [EVERY_FRAME, OFF]


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (errno.EPERM, hardware.NO_PRIVILEGE),
        (errno.EACCES, hardware.NO_PRIVILEGE),
        (errno.ERANGE, "the kernel refuses: Numerical result out of range"),
    ],
)
def test_refusals_of_the_kernel(refusal: int, reason: str) -> None:
    """A sentence each; nothing is held."""
    nic = Nic()
    nic.refuses = refusal
    hold = Hold(Switch(nic.ioctl), True)
    hold.move(LO)
    assert (hold.granted, hold.problem) == (False, f"no hardware time stamps: {reason}")


@pytest.fixture
def host(root: None) -> Iterator[Host]:
    """A host with a cable from `eth1` to `eth2`."""
    host = Host("stamps")
    host.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
    yield host
    host.close()


def test_an_interface_that_is_gone(host: Host) -> None:
    """Its setting went with it: nothing is set, and nothing is raised."""
    nic = Nic()
    hold = Hold(Switch(nic.ioctl), True)
    with host.entered():
        index = socket.if_nametoindex("eth1")
        hold.move(index)
        host.ip("link", "del", "eth1")
        hold.move(index)
        assert hold.problem == "no hardware time stamps: the kernel refuses: No such device or address"
    assert nic.sets == [EVERY_FRAME]


def test_an_interface_of_the_same_index(host: Host) -> None:
    """It may be another one, which is off: it is switched on too, and off when the last is done with it."""
    nic = Nic()
    switch = Switch(nic.ioctl)
    first, second = Hold(switch, True), Hold(switch, True)
    with host.entered():
        index = socket.if_nametoindex("eth1")
        for hold in (first, second):
            hold.move(index)
        nic.setting = OFF
        for hold in (first, second):
            hold.move(index)
        assert nic.setting == EVERY_FRAME
        for hold in (first, second):
            hold.close()
    assert nic.sets == [EVERY_FRAME, EVERY_FRAME, OFF]


def test_moving_does_not_switch_back_and_forth() -> None:
    """To the interface where it is already, as after lost messages of rtnetlink."""
    nic = Nic()
    hold = Hold(Switch(nic.ioctl), True)
    for _ in range(3):
        hold.move(LO)
    assert nic.sets == [EVERY_FRAME]


def test_the_kernel_on_a_cable(host: Host) -> None:
    """A real answer: software stamps, and no others."""
    with host.entered():
        hold = Hold(Switch(), True)
        hold.move(socket.if_nametoindex("eth1"))
    assert (hold.granted, hold.problem) == (False, "no hardware time stamps: the interface has none")


def test_the_kernel_wants_a_capability(host: Host) -> None:
    """Setting takes CAP_NET_ADMIN, asking does not; that comes before what the driver can do."""
    program = (
        "from rawechod.packet.hardware import EVERY_FRAME, Switch\n"
        "switch = Switch()\n"
        "print(switch._abilities('eth1').stamps, switch._present('eth1'))\n"
        "try: switch._set('eth1', EVERY_FRAME)\n"
        "except PermissionError: print('refused')\n"
    )
    with host.entered():
        command = [*as_user(65534, ()), sys.executable, "-c", program]
        found = subprocess.run(command, text=True, capture_output=True, check=True, cwd=HERE.parent.parent)
    assert found.stdout == f"{SOFTWARE} None\nrefused\n"


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Sizes, offsets and numbers of the C headers by their names."""
    program: Path = compile_c([HERE / "stamps.c"], tmp_path_factory.mktemp("stamps") / "stamps")
    lines = subprocess.run([program], text=True, capture_output=True, check=True).stdout.splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def test_numbers(headers: dict[str, int]) -> None:
    """As in the C headers."""
    for name in (
        *("SIOCETHTOOL", "SIOCSHWTSTAMP", "SIOCGHWTSTAMP", "ETHTOOL_GET_TS_INFO"),
        *("TX_OFF", "TX_ON", "FILTER_NONE", "FILTER_ALL"),
    ):
        assert getattr(hardware, name) == headers.get(name, headers.get(f"HWTSTAMP_{name}")), name
    for name in ("TX_HARDWARE", "RX_HARDWARE", "RAW_HARDWARE", "OPT_TX_SWHW"):
        assert getattr(timestamps, name) == headers[f"SOF_TIMESTAMPING_{name}"], name
    assert headers["ts[2]"] == timestamps.HARDWARE_OFFSET


FIELDS: dict[struct.Struct, tuple[str, ...]] = {
    TS_INFO: ("cmd", "so_timestamping", "phc_index", "tx_types", "rx_filters"),
    CONFIG: ("flags", "tx_type", "rx_filter"),
}


def test_layouts(headers: dict[str, int]) -> None:
    """Each field where the C headers have it."""
    assert (IFREQ.size, TS_INFO.size, CONFIG.size) == (
        *(headers["ifreq"], headers["ethtool_ts_info"]),
        headers["hwtstamp_config"],
    )
    assert int.from_bytes(IFREQ.pack(b"eth1", 77)[headers["ifr_data"] :][:8], sys.byteorder) == 77
    for layout, names in FIELDS.items():
        octets = layout.pack(*range(1, len(names) + 1))
        found = [int.from_bytes(octets[headers[name] :][:4], sys.byteorder) for name in names]
        assert found == list(range(1, len(names) + 1))
