"""What the journal holds: fields to search by, and explanations."""

from __future__ import annotations

import uuid

from tests.lab import MAC_A, wait_for
from tests.systemd.machine import Service


def test_an_entry_has_its_fields(service: Service) -> None:
    """`journalctl -o json` shows who wrote it, where, how grave it is and what it is about."""
    [entry] = wait_for(lambda: service.events("listener_up"), "the entry")
    assert "eth1" in entry["MESSAGE"]
    assert entry["RAWECHO_INTERFACE"] == "eth1"
    assert entry["RAWECHO_ETHERTYPE"] == "ETH_P_ALL"
    assert entry["RAWECHO_MAC"] == MAC_A
    assert entry["PRIORITY"] == "6"
    assert entry["SYSLOG_IDENTIFIER"] == "rawechod"
    assert entry["_SYSTEMD_UNIT"] == "rawechod.service"
    assert entry["_PID"] == service.show("MainPID")
    assert uuid.UUID(entry["MESSAGE_ID"]).hex == entry["MESSAGE_ID"]


def test_an_entry_names_the_line_that_wrote_it(service: Service) -> None:
    """CODE_FILE, CODE_LINE and CODE_FUNC point at the installed source."""
    [entry] = wait_for(lambda: service.events("listener_up"), "the entry")
    source = service.machine.root / entry["CODE_FILE"].lstrip("/")
    line = source.read_text().splitlines()[int(entry["CODE_LINE"]) - 1]
    assert "rawechod" in source.parts
    assert "emit" in line or "LISTENER_UP" in line


def test_the_catalog_explains_an_entry(service: Service) -> None:
    """`journalctl -x` says what to do about an interface that is not there."""
    service.configure('[echo]\ninterface = "eth7"\n')
    service.systemctl("restart")
    [entry] = wait_for(lambda: service.events("listener_absent"), "the entry")
    match = f"MESSAGE_ID={entry['MESSAGE_ID']}"
    text = service.machine.run("journalctl", "--catalog", "--no-pager", match).stdout
    assert "was removed, renamed or moved" in " ".join(text.replace("░", "").split())


def test_every_explained_event_is_in_the_installed_catalog(service: Service) -> None:
    """The installed catalog knows each MESSAGE_ID that the daemon can write."""
    from rawechod.events import EVENTS

    known = service.machine.run("journalctl", "--list-catalog").stdout
    assert {event.message_id for event in EVENTS if event.message_id} <= set(known.split())


def test_an_event_can_be_found_by_interface(service: Service) -> None:
    """`journalctl RAWECHO_INTERFACE=eth1` finds what happened to eth1, and nothing else."""
    service.machine.run("ip", "link", "set", "eth1", "down")
    try:
        wait_for(lambda: service.events("listener_down"), "the entry")
    finally:
        service.machine.run("ip", "link", "set", "eth1", "up")
    wait_for(lambda: len(service.events("listener_up")) == 2, "the second entry")
    this_run = f"_SYSTEMD_INVOCATION_ID={service.show('InvocationID')}"
    found = service.machine.journal("RAWECHO_INTERFACE=eth1", this_run)
    assert [entry["RAWECHO_EVENT"] for entry in found] == ["listener_up", "listener_down", "listener_up"]
