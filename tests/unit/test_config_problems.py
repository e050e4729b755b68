"""What is wrong with a configuration is told so that it can be mended: all at once, key, value, allowed."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from rawechod import config
from rawechod.config_problems import MOST_TOLD, ConfigError

MAC = "02:00:00:00:00:0b"
WORDS = {
    "names": "an interface name has 1 to 15 characters, no slash, no colon and no space; altnames won't do",
    "ethertypes": 'allowed: "ETH_P_ALL", "ETH_P_PAE" or "ETH_P_802_EX1"',
    "whole": "allowed: a whole number",
    "boolean": "allowed: true or false",
    "duration": "is no duration: a number with ns, us, ms, s, m or h, such as 200ms",
    "no duration": "a duration is a text such as 200ms, or a number of seconds",
    "mac": f"is no MAC address: six octets in hexadecimal, such as {MAC}",
    "levels": 'allowed: "debug", "info", "notice", "warning" or "error"',
}
BAD: list[tuple[str, str, Any, str]] = [
    *(
        ("echo", "interface", name, WORDS["names"])
        for name in ("", "sixteen-letters!", "a/b", "a b", ".", "..", "a:b", "a\0b", "é" * 8)
    ),
    ("echo", "interface", 5, "found 5; allowed: a text"),
    ("echo", "ethertype", "ETH_P_IP", f'found "ETH_P_IP"; {WORDS["ethertypes"]}'),
    ("echo", "ethertype", 0x88B5, f"found 34997; {WORDS['ethertypes']}"),
    ("echo", "domain", "AF_INET", 'found "AF_INET"; allowed: "AF_PACKET" or "PF_PACKET"'),
    ("echo", "mode", "reflect", 'allowed: "echo", "loopback" or "hello"'),
    ("echo", "mode", "ECHO", 'found "ECHO"; allowed: "echo", "loopback" or "hello"'),
    ("echo", "loopback_ethertypes", "ETH_P_IP", 'found "ETH_P_IP"; allowed: a list'),
    ("echo", "loopback_armed", "10m", f'found "10m"; {WORDS["boolean"]}'),
    ("echo", "spin", "11ms", 'found "11ms"; allowed: at most 10ms'),
    ("echo", "engine", "dpdk", 'found "dpdk"; allowed: "auto", "epoll"'),
    ("echo", "xdp", "offload", 'found "offload"; allowed: "auto", "native" or "generic"'),
    ("echo", "tap", "none", 'found "none"; allowed: "auto", "protocol" or "all"'),
    ("echo", "promiscuous", 1, f"found 1; {WORDS['boolean']}"),
    ("echo", "promiscuous", "yes", f'found "yes"; {WORDS["boolean"]}'),
    ("echo", "rate_limit", -1, "found -1; allowed: at least 0"),
    ("echo", "rate_limit", 100_000_001, "found 100000001; allowed: at most 100000000"),
    ("echo", "rate_limit", 1.5, f"found 1.5; {WORDS['whole']}"),
    ("echo", "peer_rate_limit", True, f"found true; {WORDS['whole']}"),
    ("echo", "allow", MAC, f'found "{MAC}"; allowed: a list'),
    ("probe", "interface", "a/b", WORDS["names"]),
    ("probe", "target", "x", f"found \"x\": 'x' {WORDS['mac']}"),
    ("probe", "target", 5, "found 5: a MAC address is a text such as"),
    ("probe", "ethertype", "ETH_P_ALL", "a probe needs one EtherType"),
    ("probe", "ethertype", "0x100", "is no EtherType"),
    ("probe", "count", -1, "found -1; allowed: at least 0"),
    ("probe", "count", 2**32, "found 4294967296; allowed: at most 4294967295"),
    ("probe", "count", "3", f'found "3"; {WORDS["whole"]}'),
    ("probe", "interval", "9us", 'found "9us"; allowed: at least 10us'),
    ("probe", "interval", "61m", 'found "61m"; allowed: at most 1h'),
    ("probe", "interval", "fast", WORDS["duration"]),
    ("probe", "interval", float("nan"), WORDS["duration"]),
    ("probe", "interval", True, WORDS["no duration"]),
    ("probe", "interval", ["1s"], WORDS["no duration"]),
    ("probe", "timeout", "0.5us", 'found "0.5us"; allowed: at least 1us'),
    ("probe", "timeout", "61s", 'found "61s"; allowed: at most 1m'),
    ("probe", "size", 59, "found 59; allowed: at least 60"),
    ("probe", "size", 65_550, "found 65550; allowed: at most 65549"),
    ("probe", "interfaces", "eth1", 'found "eth1"; allowed: a list'),
    ("control", "operators", "root", 'found "root"; allowed: a list'),
    ("log", "level", "INFO", f'found "INFO"; {WORDS["levels"]}'),
]


HUGE = 1 << 20_000


def problems(**tables: Any) -> list[str]:
    """The lines of the error, without the source that each begins with."""
    with pytest.raises(ConfigError) as caught:
        config.parse(tables, "test.toml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("test.toml: ") for line in lines)
    assert len(lines) == len(caught.value.problems)
    return [line.removeprefix("test.toml: ") for line in lines]


@pytest.mark.parametrize(("table", "key", "value", "words"), BAD)
def test_bad_value(table: str, key: str, value: Any, words: str) -> None:
    """Every key refuses its bad values, just outside its bounds and of other types."""
    (problem,) = problems(**{table: {key: value}})
    path = f"echo[0].{key}" if table == "echo" else f"{table}.{key}"
    assert problem.startswith(f"{path}: found ")
    assert words in problem


def test_every_key_is_tried() -> None:
    """A new key needs a bad value above."""
    known = {(table, key) for table, model in config.TABLES.items() for key in model.model_fields}
    assert {(table, key) for table, key, _, _ in BAD} == known


def test_place_in_a_list() -> None:
    """The path counts listeners and elements."""
    found = problems(echo=[{}, {"interface": "eth1", "allow": [MAC, "x", "01:00:5e:00:00:01"]}])
    assert [problem.partition(":")[0] for problem in found] == ["echo[1].allow[1]", "echo[1].allow[2]"]
    assert "a group address can't be a source" in found[1]
    (empty,) = problems(control={"operators": ["root", ""]})
    assert empty == 'control.operators[1]: found ""; allowed: a text that is not empty'


def test_all_at_once() -> None:
    """Every problem of every table in one go, overlap included."""
    found = problems(
        echo=[{"interface": "eth1", "rate_limit": -1, "mod": "echo"}, {"interface": "eth1"}],
        probe={"count": "x", "size": 1},
        log={"levle": "info"},
        monitr=[],
    )
    assert [problem.partition(":")[0] for problem in found] == [
        *("echo[0].rate_limit", "echo[0].mod", "probe.count", "probe.size", "log.levle", "monitr"),
        "echo[1].ethertype",
    ]


UNKNOWN = [
    ({"echo": {"interfce": "lo"}}, "echo[0].interfce: unknown key; did you mean interface?"),
    ({"prob": {}}, "prob: unknown table; did you mean probe?"),
    ({"host": {}}, "host: unknown table; did you mean hosts?"),
    ({"zzz": 1}, "zzz: unknown table; known here: echo, probe, control, log, hosts"),
    ({"log": {"zzz": 1}}, "log.zzz: unknown key; known here: level"),
]


@pytest.mark.parametrize(("tables", "problem"), UNKNOWN)
def test_unknown(tables: dict[str, Any], problem: str) -> None:
    """The nearest known name, or all of them."""
    assert problems(**tables) == [problem]


def test_more_than_anybody_reads() -> None:
    """Of 60,000 unknown keys some are told, each in a short line, and how many more there are."""
    found = problems(**{"k" * 100 + str(number): 1 for number in range(60_000)}, echo={"mod": 1})
    assert len(found) == MOST_TOLD + 1
    assert found[-1] == f"{60_001 - MOST_TOLD} problems more"
    assert max(map(len, found)) < 200


def test_more_listeners_than_there_may_be() -> None:
    """One line says so; overlaps are looked for among so many alone."""
    (found,) = problems(echo=[{"interface": f"eth{number}"} for number in range(100_000)])
    assert found.startswith("echo: found [")
    assert found.endswith("allowed: at most 512 of them")


UNSHOWABLE = [
    ("probe", "count", HUGE),
    ("probe", "interval", HUGE),
    ("echo", "interface", HUGE),
    ("echo", "allow", [HUGE, datetime.date(2026, 1, 1)]),
    ("echo", "interface", "x" * 1_000_000),
    ("probe", "interval", "x" * 1_000_000),
    ("probe", "target", "x" * 1_000_000),
    ("log", "\x1b[31m", 1),
]


@pytest.mark.parametrize(("table", "key", "value"), UNSHOWABLE, ids=range(len(UNSHOWABLE)))
def test_values_that_can_not_be_shown(table: str, key: str, value: Any) -> None:
    """Digits by the thousand, texts by the million, and control characters: a short line all the same."""
    for found in problems(**{table: {key: value}}):
        assert len(found) < 500
        assert found.isprintable()


NO_TABLES = [
    ({"echo": 5}, "echo: found 5; allowed: a list"),
    ({"echo": [1]}, "echo[0]: found 1; allowed: a table"),
    ({"probe": [{}]}, "probe: found [{}]; allowed: a table"),
    ({"log": "info"}, 'log: found "info"; allowed: a table'),
]


@pytest.mark.parametrize(("tables", "problem"), NO_TABLES)
def test_no_tables(tables: dict[str, Any], problem: str) -> None:
    """What stands where a table should be."""
    assert problems(**tables) == [problem]


OVERLAPS = [
    ([{}, {}], "echo[1].ethertype: ETH_P_ALL overlaps with ETH_P_ALL of echo[0] on lo: both would answer"),
    (
        [{"ethertype": "ETH_P_PAE"}, {"interface": "eth1"}, {}],
        "echo[2].ethertype: ETH_P_ALL overlaps with ETH_P_PAE of echo[0] on lo: both would answer",
    ),
    (
        [{"ethertype": "ETH_P_PAE", "domain": "AF_PACKET"}, {"ethertype": "ETH_P_PAE", "domain": "PF_PACKET"}],
        "echo[1].ethertype: ETH_P_PAE overlaps with ETH_P_PAE of echo[0] on lo: both would answer",
    ),
]


@pytest.mark.parametrize(("listeners", "problem"), OVERLAPS)
def test_overlap(listeners: list[dict[str, str]], problem: str) -> None:
    """Two listeners that would both answer a frame."""
    assert problems(echo=listeners) == [problem]


def test_hello_on_lo_only() -> None:
    """The tutorial's server must not answer a network."""
    (problem,) = problems(echo={"mode": "hello", "interface": "eth1"})
    assert problem == 'echo[0].mode: "hello" works on lo only, not on eth1'


NO_LOOPBACK: list[tuple[dict[str, Any], str]] = [
    ({"interface": "lo"}, 'echo[0].mode: "loopback" on lo would return its own frames for ever'),
    (
        {"interface": "eth1", "ethertype": "ETH_P_PAE"},
        "echo[0].ethertype: the host needs ETH_P_PAE itself: name it in loopback_ethertypes to have its frames "
        "returned",
    ),
]


@pytest.mark.parametrize(("listener", "problem"), NO_LOOPBACK)
def test_where_a_loopback_makes_no_sense(listener: dict[str, Any], problem: str) -> None:
    """On lo, and where all that it listens to is refused."""
    assert problems(echo={"mode": "loopback"} | listener) == [problem]


def test_a_loopback_for_802_1x_when_it_is_meant() -> None:
    """Named, the EtherType is returned."""
    named = {"interface": "eth1", "ethertype": "ETH_P_PAE", "loopback_ethertypes": ["ETH_P_PAE"]}
    (listener,) = config.parse({"echo": {"mode": "loopback"} | named}, "test.toml").echo
    assert listener.loopback_ethertypes == ["ETH_P_PAE"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, "a group address has that name") for name in ("broadcast", "pae-group")),
        *((name, "a name must not be a MAC address itself") for name in (MAC, "2-0-0-0-0-B")),
        *((name, "a name is not empty, has no space and") for name in ("", "a b", "a\tb", "a\0b", "-c")),
    ],
)
def test_names_that_nobody_could_probe_by(name: str, words: str) -> None:
    """The name is told, and why; the others are told as well."""
    first, second = problems(hosts={name: MAC, "far": "x"})
    assert first.startswith(f"hosts: found {json.dumps(name)}: ")
    assert words in first
    assert second.startswith('hosts.far: found "x": ')


def test_long_values_are_cut() -> None:
    """A wrong value of a thousand characters leaves the sentence readable."""
    (problem,) = problems(log={"level": "x" * 1000})
    assert len(problem) < 200
    assert "..." in problem


def test_deep_values_are_told_all_the_same() -> None:
    """As deep as Python's JSON goes."""
    value: object = "x"
    for _ in range(100_000):
        value = [value]
    (problem,) = problems(probe={"interval": value})
    assert problem.startswith("probe.interval: found something nested too deeply: ")
