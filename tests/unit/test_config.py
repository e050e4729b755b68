"""The configuration: what is taken, with which meaning."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechod import config
from rawechod.config import Config
from rawechod.config_problems import ConfigError
from rawechod.control.varlink import MESSAGE_LIMIT, encode_reply
from rawechod.durations import LONGEST, format_duration

SECOND = 10**9
MAC = bytes.fromhex("02000000000b")


def parse(**tables: Any) -> Config:
    """A configuration of these tables."""
    return config.parse(tables, "test")


GOOD: list[tuple[str, str, Any, Any]] = [
    ("echo", "interface", "eth1.100", "eth1.100"),
    ("echo", "interface", "fifteencharslon", "fifteencharslon"),
    ("echo", "ethertype", "ETH_P_ALL", "ETH_P_ALL"),
    ("echo", "ethertype", "ETH_P_PAE", "ETH_P_PAE"),
    ("echo", "ethertype", "ETH_P_802_EX1", "ETH_P_802_EX1"),
    ("echo", "domain", "AF_PACKET", "AF_PACKET"),
    ("echo", "domain", "PF_PACKET", "PF_PACKET"),
    ("echo", "mode", "echo", "echo"),
    ("echo", "mode", "hello", "hello"),
    ("echo", "engine", "auto", "auto"),
    ("echo", "engine", "epoll", "epoll"),
    ("echo", "xdp", "auto", "auto"),
    ("echo", "xdp", "native", "native"),
    ("echo", "xdp", "generic", "generic"),
    ("echo", "tap", "protocol", "protocol"),
    ("echo", "tap", "all", "all"),
    ("echo", "promiscuous", True, True),
    ("echo", "rate_limit", 0, 0),
    ("echo", "rate_limit", 100_000_000, 100_000_000),
    ("echo", "peer_rate_limit", 1, 1),
    ("echo", "allow", [], []),
    ("echo", "allow", ["02:00:00:00:00:0b", "02-00-00-00-00-0B"], [MAC, MAC]),
    ("probe", "interface", "eth1", "eth1"),
    ("probe", "target", "02:00:00:00:00:0b", MAC),
    ("probe", "target", "ff:ff:ff:ff:ff:ff", b"\xff" * 6),
    ("probe", "ethertype", "ETH_P_PAE", "ETH_P_PAE"),
    ("probe", "ethertype", "0x88B6", "0x88B6"),
    ("probe", "interfaces", ["eth1", "eth2"], ["eth1", "eth2"]),
    ("probe", "count", 0, 0),
    ("probe", "count", 2**32 - 1, 2**32 - 1),
    ("probe", "interval", "10us", 10_000),
    ("probe", "interval", "1h", 3600 * SECOND),
    ("probe", "interval", 2, 2 * SECOND),
    ("probe", "interval", 0.25, SECOND // 4),
    ("probe", "timeout", "1us", 1000),
    ("probe", "timeout", "60s", 60 * SECOND),
    ("probe", "size", 60, 60),
    ("probe", "size", 65_549, 65_549),
    ("control", "operators", [], []),
    ("control", "operators", ["root", "@wheel"], ["root", "@wheel"]),
    ("log", "level", "debug", "debug"),
    ("log", "level", "error", "error"),
]


@pytest.mark.parametrize(("table", "key", "value", "meaning"), GOOD)
def test_good_value(table: str, key: str, value: Any, meaning: Any) -> None:
    """Every key takes its good values, bounds included."""
    found = getattr(parse(**{table: {key: value}}), table)
    assert getattr(found[0] if table == "echo" else found, key) == meaning


def test_defaults() -> None:
    """An empty file listens on lo to everything and lets root and the group act."""
    empty = parse()
    (listener,) = empty.echo
    assert (listener.interface, listener.ethertype, listener.mode) == ("lo", "ETH_P_ALL", "echo")
    assert (listener.rate_limit, listener.peer_rate_limit, listener.allow) == (100_000, 20_000, [])
    assert (listener.tap, listener.engine, listener.domain) == ("auto", "auto", "AF_PACKET")
    probe = empty.probe
    assert (probe.count, probe.interval, probe.timeout, probe.size) == (10, SECOND, SECOND, 60)
    assert (probe.interface, probe.target, probe.ethertype, probe.interfaces) == (None, None, None, [])
    assert empty.control.operators == ["root", "@rawecho"]
    assert empty.log.level == "info"


def test_one_table_or_many() -> None:
    """`[echo]` is `[[echo]]` once; no listener at all is possible."""
    one = parse(echo={"interface": "eth1"})
    assert one == parse(echo=[{"interface": "eth1"}])
    assert [listener.interface for listener in parse(echo=[{}, {"interface": "eth1"}]).echo] == ["lo", "eth1"]
    assert parse(echo=[]).echo == []


NO_OVERLAP = [
    [{"interface": "eth1"}, {"interface": "eth2"}],
    [{"interface": "eth1", "ethertype": "ETH_P_PAE"}, {"interface": "eth1", "ethertype": "ETH_P_802_EX1"}],
]


@pytest.mark.parametrize("tables", NO_OVERLAP)
def test_listeners_side_by_side(tables: list[dict[str, str]]) -> None:
    """On different interfaces, or with different EtherTypes on one."""
    assert len(parse(echo=tables).echo) == 2


def test_loading_a_file(tmp_path: Path) -> None:
    """TOML with comments, underscores in numbers, both kinds of tables."""
    path = tmp_path / "config.toml"
    path.write_text('# a comment\n[[echo]]\ninterface = "eth1"\nrate_limit = 1_000\n[probe]\ninterval = "200ms"\n')
    loaded = config.load(str(path))
    assert (loaded.echo[0].interface, loaded.echo[0].rate_limit, loaded.probe.interval) == (
        "eth1",
        1000,
        200_000_000,
    )


DEEP = "is no TOML: a dotted key has more than 16 parts"
BROKEN = {
    "no TOML": (b'[echo\ninterface = "lo"', "is no TOML: Expected ']'"),
    "a key twice": (b"[probe]\ncount = 1\ncount = 2\n", "is no TOML: Cannot overwrite a value (at line 3"),
    "no UTF-8": (b"[log]\nlevel = '\xff'\n", "is no UTF-8 text (octet 15)"),
    "nested without an end": (b"x = " + b"[" * 100_000, "is no TOML: "),
    "a number of many digits": (b"[probe]\ncount = " + b"9" * 5000, "is no TOML: a number of thousands of digits"),
    "a long word": (b"[probe]\ncount = " + b"x" * 500_000, "is no TOML: "),
    "a deep key": (b'x = """\n""""\na' + b" . a" * 200_000 + b" = 1", DEEP),
    "a deep table": (b"[" + b"a." * 16 + b"a]\n", DEEP),
    "a deep key inside": (b"x = {y = 'z'," + b"'a'." * 100_000 + b"a = 1}", DEEP),
}


@pytest.mark.parametrize(("octets", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_file(tmp_path: Path, octets: bytes, words: str) -> None:
    """One sentence says what and where."""
    path = tmp_path / "config.toml"
    path.write_bytes(octets)
    with pytest.raises(ConfigError) as caught:
        config.load(str(path))
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "words"), [("missing.toml", "No such file"), (".", "Is a directory")])
def test_unreadable_file(tmp_path: Path, name: str, words: str) -> None:
    """Neither is a traceback."""
    with pytest.raises(ConfigError, match=rf"can't be read: {words}"):
        config.load(str(tmp_path / name))


def test_pipe(tmp_path: Path) -> None:
    """A pipe is refused at once, without waiting for whoever might write into it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="can't be read: it is no regular file"):
        config.load(str(tmp_path / "pipe"))


def test_dots_that_part_no_key(tmp_path: Path) -> None:
    """In texts and comments there may be any number of them."""
    path, dots, three = tmp_path / "config.toml", "." * 100, "'" * 3
    texts = [f'"{dots}"', f"'{dots}'", f'"\\"{dots}"', f"{three}\n'{dots}{three}", f'"""{dots}\n"\\"{dots}"""']
    path.write_text(f"[control]  # {dots}\noperators = [{', '.join(texts)}]\n")
    assert len(config.load(str(path)).control.operators) == len(texts)


def test_what_loads_can_be_shown(tmp_path: Path) -> None:
    """At its bounds it fits into the control socket's longest message as JSON; above that it is refused."""
    path = tmp_path / "config.toml"
    hosts = "".join(f'host{i} = "02:00:00:00:00:0b"\n' for i in range(config.MOST_HOSTS))
    tables = "".join(f'[[echo]]\ninterface = "eth{i}"\n' for i in range(config.MOST_LISTENERS))
    path.write_text(f"{tables}[hosts]\n{hosts}")
    loaded = config.load(str(path))
    assert len(encode_reply({"path": str(path), "config": config.dump(loaded)})) < MESSAGE_LIMIT
    path.write_text("[hosts]\n" + "".join(f'"{i}{"ä" * 60}" = "2-0-0-0-0-b"\n' for i in range(5000)))
    with pytest.raises(ConfigError, match=r"is too long: \d+ octets as JSON"):
        config.load(str(path))


def test_what_a_file_gives(tmp_path: Path) -> None:
    """Its keys alone, which mean the same when they are read again."""
    path = tmp_path / "config.toml"
    path.write_text('[echo]\ninterface = "eth1"\nallow = ["02:00:00:00:00:0b"]\n[probe]\ninterval = "20ms"\n')
    loaded = config.load(str(path))
    given = config.given(loaded)
    assert given == {
        "echo": [{"interface": "eth1", "allow": ["02:00:00:00:00:0b"]}],
        "probe": {"interval": "20ms"},
    }
    assert config.parse(given, str(path)) == loaded


def test_file_without_an_end(tmp_path: Path) -> None:
    """A file of any size costs a bounded amount of memory."""
    path = tmp_path / "config.toml"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(ConfigError, match="can't be read: File too large"):
        config.load(str(path))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
KEYS = [(table, key) for table, model in config.TABLES.items() for key in model.model_fields]


@given(st.sampled_from(KEYS), json_values)
def test_any_value(place: tuple[str, str], value: object) -> None:
    """Any value in any key is taken or leads to a ConfigError that names the key."""
    table, key = place
    try:
        parse(**{table: {key: value}})
    except ConfigError as error:
        keys = [problem.key for problem in error.problems]
        assert all(found.replace("[0]", "", 1).startswith(f"{table}.{key}") for found in keys), keys


@given(st.dictionaries(st.text(max_size=10), json_values, max_size=4))
def test_any_tables(data: dict[str, Any]) -> None:
    """Any tables are a configuration or a ConfigError."""
    with contextlib.suppress(ConfigError):
        config.parse(data, "test")


@given(st.integers(10_000, 3600 * SECOND), st.lists(st.binary(min_size=6, max_size=6), max_size=3))
def test_dump_is_a_configuration(interval: int, macs: list[bytes]) -> None:
    """What is shown as JSON has every key and means the same when it is read again."""
    allow = [bytes([mac[0] & 0xFE]) + mac[1:] for mac in macs]
    shown = config.dump(
        parse(echo=[{"allow": [mac.hex(":") for mac in allow]}], probe={"interval": interval / 1e9})
    )
    assert set(shown) == {*config.TABLES, "hosts"}
    assert {key: set(value) for key, value in shown.items() if key in config.TABLES and key != "echo"} == {
        key: set(model.model_fields) for key, model in config.TABLES.items() if key != "echo"
    }
    again = {table: _given(values) for table, values in shown.items()}
    assert config.dump(config.parse(again, "test")) == shown


def _given(values: Any) -> Any:
    """TOML has no null: what is not set is not there."""
    if isinstance(values, list):
        return [_given(value) for value in values]
    return {key: value for key, value in values.items() if value is not None}


def test_longest_duration_is_shown_and_read() -> None:
    """The bounds of durations are durations."""
    assert format_duration(LONGEST) == "8784h"
