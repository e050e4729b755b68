"""The man pages: complete, and as man(1) likes them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from varlink.scanner import Interface, _Alias

from rawechoctl import cli, exits
from rawechod import config, events
from rawechod.__main__ import EXIT_STATUSES
from rawechod.reasons import DropReason
from tests import helps
from tests.lab import REPOSITORY

CONTRACT = REPOSITORY / "rawechod/control/io.rawecho.Control.varlink"
PAGES = ("man8/rawechod.8", "man1/rawechoctl.1", "man5/rawecho.toml.5")
WIDE = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the man pages are."""
    if not shutil.which("man"):
        pytest.skip("needs man")
    share = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, REPOSITORY / "packaging/generate.py", "--share", share], check=True)
    return share / "man"


def shown(page: Path) -> str:
    """What man(1) shows, a paragraph a line."""
    result = subprocess.run(["man", "--local-file", page], env=WIDE, text=True, check=True, stdout=subprocess.PIPE)
    return result.stdout


def terms(text: str) -> set[str]:
    """The first words of the entries and paragraphs."""
    return {line.split()[0] for line in text.splitlines() if line.strip()}


@pytest.mark.parametrize("name", PAGES)
def test_no_warnings(directory: Path, name: str) -> None:
    """Neither groff nor whatis(1)'s reader finds fault; lines are not too long for a terminal either."""
    environment = {**WIDE, "MANROFFSEQ": "", "MANWIDTH": "80"}
    command = [
        "man",
        "--warnings",
        "--encoding=UTF-8",
        "--local-file",
        "-Tutf8",
        "--ditroff",
        str(directory / name),
    ]
    result = subprocess.run(command, env=environment, text=True, check=True, capture_output=True)
    assert result.stderr == ""
    whatis = subprocess.run(["lexgrog", directory / name], text=True, check=True, stdout=subprocess.PIPE)
    assert f'"{Path(name).stem} - ' in whatis.stdout


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_left_of_the_template(directory: Path, name: str) -> None:
    """Each place was filled in."""
    assert re.findall(r"^@.*@$|@VERSION@", (directory / name).read_text(), re.MULTILINE) == []


def test_the_daemon_s_page_is_complete(directory: Path) -> None:
    """Options, exit statuses, drop reasons, journal events with their IDs, and journal fields."""
    text = shown(directory / "man8/rawechod.8")
    found = terms(text)
    assert helps.options("rawechod") <= spellings(text)
    assert {str(status) for status in EXIT_STATUSES} <= found
    assert {reason.value for reason in DropReason} <= found
    assert {event.name for event in events.EVENTS} <= found
    assert {f"MESSAGE_ID={event.message_id}" for event in events.EVENTS if event.message_id} <= found
    assert {f"RAWECHO_{name.upper()}" for name in events.FIELDS} <= found


def test_the_tool_s_page_is_complete(directory: Path) -> None:
    """Commands, options, exit statuses, and each field that `--json` prints."""
    text = shown(directory / "man1/rawechoctl.1")
    found = terms(text)
    assert set(cli.COMMANDS) <= found
    for command in ((), *((name,) for name in cli.COMMANDS)):
        assert helps.options("rawechoctl", *command) <= spellings(text), command
    assert {str(status) for status in exits.MEANINGS} <= found
    assert json_fields() <= found


def test_the_configuration_s_page_is_complete(directory: Path) -> None:
    """Each table and each of its keys."""
    text = shown(directory / "man5/rawecho.toml.5")
    sections = re.split(r"^   \[+(\w+)\]+$", text, flags=re.MULTILINE)
    tables = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert set(tables) == set(config.Config.model_fields)
    for name, model in config.TABLES.items():
        assert set(model.model_fields) <= terms(tables[name]), name


def spellings(text: str) -> set[str]:
    """Whatever looks like an option."""
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text))


def json_fields() -> set[str]:
    """By another reader of the contract: the fields of its types, and of what its methods return."""
    members = Interface(CONTRACT.read_text()).members
    types = {name: member for name, member in members.items() if type(member) is _Alias}
    del types["CapturedFrame"]  # which goes in
    fields = {name for member in types.values() for name in member.type.fields}
    for method in ("GetStatus", "GetCounters", "GetPeers", "GetConfig", "Reload"):
        fields |= set(members[method].out_type.fields)
    return fields | {"event"}  # beside it `probe --json` prints the fields of the event's type
