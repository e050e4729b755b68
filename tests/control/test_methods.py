"""The methods: what they reply, what they refuse, and with which error."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.control.talk import CONTROL, SERVICE, Talk, connect
from tests.lab import Daemon

METHODS = ["GetStatus", "GetCounters", "GetConfig", "GetPeers", "Probe", "Reload"]


def test_info(talk: Talk) -> None:
    """Who serves here, and which interfaces."""
    talk.send({"method": f"{SERVICE}.GetInfo"})
    info = talk.receive()["parameters"]
    assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
    assert set(info["interfaces"]) == {SERVICE, CONTROL}


def test_status(served: Daemon, talk: Talk) -> None:
    """The daemon's and the listener's state."""
    status = talk.call("GetStatus")["parameters"]
    assert (status["pid"], status["config"], status["probes"]) == (served.process.pid, str(served.config), [])
    (listener,) = status["listeners"]
    known: dict[str, Any] = {
        "interface": "lo",
        "ethertype": "ETH_P_ALL",
        "domain": "AF_PACKET",
        "mode": "echo",
        "state": "up",
    }
    known |= {"mac": "00:00:00:00:00:00", "mtu": 65536, "tap": "all", "kernel_drops": 0}
    assert {name: listener[name] for name in known} == known


def test_counters(talk: Talk) -> None:
    """What a probe did is counted, and each drop under its reason."""
    before = talk.call("GetCounters")["parameters"]["listeners"][0]
    talk.call("Probe", count=3, interval="1ms")
    after = talk.call("GetCounters")["parameters"]["listeners"][0]
    assert after["replied"] == before["replied"] + 3
    assert after["received"] == after["replied"] + sum(after["dropped"].values())
    assert (after["dropped"], after["probe_replies"]) == ({}, before["probe_replies"] + 3)


def test_config(served: Daemon, talk: Talk) -> None:
    """Every key with its value, and where it came from."""
    reply = talk.call("GetConfig")["parameters"]
    assert reply["path"] == str(served.config)
    assert reply["config"]["echo"][0]["rate_limit"] == 0
    assert reply["config"]["probe"]["interval"] == "1s"
    assert reply["config"]["control"]["operators"] == ["root", "@rawecho"]


def test_reload(served: Daemon, talk: Talk) -> None:
    """A good file is taken, a bad one leaves everything as it was and tells all that is wrong."""
    before = served.config.read_text()
    served.config.write_text(before + "[probe]\ncount = 7\n")
    assert talk.call("Reload")["parameters"] == {"config": str(served.config)}
    served.config.write_text('[echo]\ninterface = "a/b"\n[probe]\ncount = -1\n')
    refused = talk.call("Reload")
    assert refused["error"] == f"{CONTROL}.InvalidConfig"
    assert len(refused["parameters"]["problems"]) == 2
    assert talk.call("GetConfig")["parameters"]["config"]["probe"]["count"] == 7
    served.config.write_text(before)
    assert talk.call("Reload").get("error") is None
    assert talk.call("GetStatus")["parameters"]["listeners"][0]["state"] == "up"


def test_reload_with_a_name_that_is_no_name(served: Daemon, talk: Talk) -> None:
    """An operator whose name can't be looked up is unknown, and nobody falls over it."""
    before = served.config.read_text()
    served.config.write_text(before + '[control]\noperators = ["root", "a\\u0000b", "@\\u0000"]\n')
    assert talk.call("Reload").get("error") is None
    served.config.write_text(before)
    assert talk.call("Reload").get("error") is None


def test_probe_with_more(talk: Talk) -> None:
    """Each event is a reply; `event` names it and one field has it; the summary is the last."""
    talk.more("Probe", count=3, interval="1ms")
    replies = [talk.receive() for _ in range(5)]
    assert [reply.get("continues", False) for reply in replies] == [True] * 4 + [False]
    events = [reply["parameters"] for reply in replies]
    assert [event["event"] for event in events] == ["start", "reply", "reply", "reply", "summary"]
    assert [set(event) for event in events] == [
        {"event", field} for field in ("start", "arrived", "arrived", "arrived", "summary")
    ]
    assert [event["arrived"]["seq"] for event in events[1:4]] == [1, 2, 3]
    summary = events[4]["summary"]
    assert (summary["sent"], summary["received"], summary["lost"]) == (3, 3, 0)


@pytest.mark.parametrize("more", [True, False])
def test_the_summary_alone(talk: Talk, more: bool) -> None:
    """Without `more`, or with `quiet`, one reply."""
    call: dict[str, Any] = {"method": f"{CONTROL}.Probe", "more": more}
    talk.send(call | {"parameters": {"count": 2, "interval": "1ms", "quiet": more}})
    reply = talk.receive()
    assert not reply.get("continues")
    assert reply["parameters"]["summary"]["sent"] == 2


def test_calls_behind_a_probe_wait_for_its_end(talk: Talk) -> None:
    """One call at a time: the status comes behind the summary."""
    talk.more("Probe", count=2, interval="1ms")
    talk.send({"method": f"{CONTROL}.GetStatus"})
    assert "summary" in talk.last()["parameters"]
    assert talk.receive()["parameters"]["probes"] == []


UNKNOWN = [
    (f"{CONTROL}.Nothing", "MethodNotFound", {"method": "Nothing"}),
    (f"{SERVICE}.Nothing", "MethodNotFound", {"method": "Nothing"}),
    (f"{CONTROL}.getstatus", "MethodNotFound", {"method": "getstatus"}),
    (f"{CONTROL}.", "MethodNotFound", {"method": ""}),
    ("com.example.Other.GetStatus", "InterfaceNotFound", {"interface": "com.example.Other"}),
    (f"{CONTROL}.GetStatus.More", "InterfaceNotFound", {"interface": f"{CONTROL}.GetStatus"}),
    ("GetStatus", "InterfaceNotFound", {"interface": ""}),
    ("", "InterfaceNotFound", {"interface": ""}),
    ("\ud800.\ud800", "InterfaceNotFound", {"interface": "\ud800"}),
]


@pytest.mark.parametrize(("method", "error", "parameters"), UNKNOWN)
def test_unknown_method(talk: Talk, method: str, error: str, parameters: dict[str, str]) -> None:
    """The service's own errors, with their parameters; the connection goes on."""
    talk.send({"method": method})
    assert talk.receive() == {"error": f"{SERVICE}.{error}", "parameters": parameters}
    assert "pid" in talk.call("GetStatus")["parameters"]


BAD_TYPES: list[tuple[str, str, Any]] = [
    *((f"{CONTROL}.{method}", "surplus", 1) for method in METHODS),
    (f"{SERVICE}.GetInfo", "surplus", 1),
    (f"{SERVICE}.GetInterfaceDescription", "interface", None),
    (f"{SERVICE}.GetInterfaceDescription", "interface", 5),
    *((f"{CONTROL}.Probe", name, 5) for name in ("interface", "target", "ethertype")),
    *((f"{CONTROL}.Probe", name, "5") for name in ("count", "size", "hello", "quiet")),
    *((f"{CONTROL}.Probe", name, 1.5) for name in ("count", "size", "hello", "quiet")),
    *((f"{CONTROL}.Probe", name, []) for name in ("interface", "count", "hello")),
    (f"{CONTROL}.Probe", "count", True),
]


@pytest.mark.parametrize(("method", "parameter", "value"), BAD_TYPES)
def test_parameter_of_another_type(talk: Talk, method: str, parameter: str, value: Any) -> None:
    """The service's InvalidParameter names it."""
    talk.send({"method": method, "parameters": {parameter: value}})
    assert talk.receive() == {"error": f"{SERVICE}.InvalidParameter", "parameters": {"parameter": parameter}}


BAD_VALUES: list[tuple[str, Any, str]] = [
    ("count", -1, "at least 0"),
    ("count", 2**32, "at most 4294967295"),
    ("size", 59, "at least 60"),
    ("size", 65_550, "65549"),
    ("interval", "1us", "at least 10us"),
    ("interval", "2h", "at most 1h"),
    ("interval", "fast", "is no duration"),
    ("interval", [], "a duration is a text"),
    ("timeout", "0", "at least 1us"),
    ("timeout", "61s", "at most 1m"),
    ("deadline", "-1", "is no duration"),
    ("target", "nobody", "is no MAC address"),
    ("ethertype", "ETH_P_ALL", "a probe needs one EtherType"),
    ("ethertype", "0x0001", "is no EtherType"),
    ("interface", "eth7", "probing from eth7 is not configured; allowed: lo"),
]


@pytest.mark.parametrize(("parameter", "value", "words"), BAD_VALUES)
def test_parameter_out_of_range(talk: Talk, parameter: str, value: Any, words: str) -> None:
    """The interface's InvalidRequest names the parameter and says what is allowed."""
    reply = talk.call("Probe", **{parameter: value})
    assert reply["error"] == f"{CONTROL}.InvalidRequest"
    assert reply["parameters"]["parameter"] == parameter
    assert words in reply["parameters"]["reason"]


def test_nothing_runs_after_refused_probes(talk: Talk) -> None:
    """A refusal leaves no probe behind."""
    for parameter, value, _ in BAD_VALUES:
        talk.call("Probe", **{parameter: value})
    assert talk.call("GetStatus")["parameters"]["probes"] == []


def test_deep_parameters(served: Daemon) -> None:
    """As deep as the decoder goes, and one level deeper."""
    for depth in (10, *range(940, 1000)):
        with connect(served.control) as talk:
            nested = b"[" * depth + b"]" * depth
            talk.octets(b'{"method":"io.rawecho.Control.Probe","parameters":{"interval":' + nested + b"}}\0")
            assert talk.receive()["error"] in (f"{CONTROL}.InvalidRequest", f"{CONTROL}.ProtocolError")


@pytest.mark.parametrize("name", ["\\ud800", "\\u0000", "", "a.b", "\\u00e9"])
def test_names_that_nobody_has(talk: Talk, name: str) -> None:
    """A parameter's name may be any JSON text."""
    for method in METHODS:
        talk.octets(f'{{"method":"{CONTROL}.{method}","parameters":{{"{name}":1}}}}'.encode() + b"\0")
        assert talk.receive()["error"] == f"{SERVICE}.InvalidParameter"


def test_thousands_of_names(talk: Talk) -> None:
    """As many as fit into a message: the first is named, at little cost."""
    names = {f"{number:06}": 0 for number in range(4_900)}
    reply = talk.call("GetStatus", **names)
    assert reply == {"error": f"{SERVICE}.InvalidParameter", "parameters": {"parameter": "000000"}}


LEAVES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    60,
    2**63,
    1.5,
    1e308,
    "",
    "lo",
    "eth1",
    "1s",
    "1ms",
    "\ud800",
    "a\0b",
    [],
    {},
]
LEAVES += ["02:00:00:00:00:0b", "broadcast", "ETH_P_PAE", "0x88B6", [[]], {"x": 1}, "x" * 5000, "9" * 400]
NAMES = ["interface", "target", "ethertype", "interval", "timeout", "size", "hello", "quiet", "vlan", "pcp", "x"]


def test_arbitrary_parameters(talk: Talk) -> None:
    """Thousands of calls with any parameters: each gets exactly one last reply, none ends the daemon."""
    generator = random.Random(4)
    for _ in range(3000):
        chosen = generator.sample(NAMES, generator.randrange(4))
        parameters = {name: generator.choice(LEAVES) for name in chosen}
        method = generator.choice([*METHODS[:3], "Probe", "Probe", "Nothing"])
        talk.call(method, **(parameters | {"count": 1} if method == "Probe" else parameters))
    talk.send({"method": f"{SERVICE}.GetInfo"})
    assert json.dumps(talk.receive()["parameters"]["product"]) == '"rawechod"'
