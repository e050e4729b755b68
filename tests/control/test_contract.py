"""Every reply and every error is as the contract says, field by field."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
from asyncvarlink.conversion import ConversionError

from rawechod.control import methods
from tests.control.idl import Contract
from tests.control.talk import CONTROL, SERVICE, STRANGER, Talk, connect_as
from tests.lab import Daemon, Host, StartDaemon

CONTRACT = resources.files("rawechod.control").joinpath(f"{CONTROL}.varlink").read_text()
READING = ["GetStatus", "GetCounters", "GetPeers", "GetConfig"]


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The control interface's."""
    return Contract(CONTRACT)


def described(talk: Talk, interface: str) -> str:
    """What the daemon says of an interface."""
    talk.send({"method": f"{SERVICE}.GetInterfaceDescription", "parameters": {"interface": interface}})
    return str(talk.receive()["parameters"]["description"])


def test_description_is_the_shipped_file(talk: Talk) -> None:
    """Octet for octet."""
    assert described(talk, CONTROL) == CONTRACT


def test_methods_are_those_that_are_served(contract: Contract) -> None:
    """The table of methods and the contract name the same."""
    served = {name.removeprefix(f"{CONTROL}.") for name in methods.METHODS if name.startswith(CONTROL)}
    assert contract.names("_Method") == served


def test_parameters_are_those_that_are_taken(contract: Contract) -> None:
    """Of every method, by their names."""
    for name, method in methods.METHODS.items():
        if name.startswith(CONTROL):
            fields = contract.interface.members[name.rpartition(".")[2]].in_type.fields
            assert set(fields) == set(method.parameters.model_fields), name


def test_service_interface_is_complete(talk: Talk) -> None:
    """org.varlink.service with its two methods and its six errors, with their parameters."""
    service = Contract(described(talk, SERVICE))
    assert service.interface.name == SERVICE
    assert service.names("_Method") == {"GetInfo", "GetInterfaceDescription"}
    errors = {name: list(service.interface.members[name].type.fields) for name in service.names("_Error")}
    assert errors == {
        "InterfaceNotFound": ["interface"],
        "MethodNotFound": ["method"],
        "MethodNotImplemented": ["method"],
        "InvalidParameter": ["parameter"],
        "PermissionDenied": [],
        "ExpectedMore": [],
    }


def test_service_replies(talk: Talk) -> None:
    """Its own replies are as its own description says."""
    service = Contract(described(talk, SERVICE))
    talk.send({"method": f"{SERVICE}.GetInfo"})
    service.check_reply("GetInfo", talk.receive()["parameters"])
    service.check_reply("GetInterfaceDescription", {"description": described(talk, CONTROL)})


def test_the_check_can_fail(contract: Contract, talk: Talk) -> None:
    """A missing field, a further one, one of another type: none passes."""
    status = talk.call("GetStatus")["parameters"]
    wrong: list[dict[str, Any]] = [status | {"pid": "1"}, status | {"extra": 1}, status | {"uptime_s": None}]
    wrong.append({name: value for name, value in status.items() if name != "config"})
    wrong.append(status | {"listeners": [status["listeners"][0] | {"mtu": "x"}]})
    for value in wrong:
        with pytest.raises(ConversionError):
            contract.check_reply("GetStatus", value)


@pytest.mark.parametrize("method", [*READING, "Reload"])
def test_replies(contract: Contract, talk: Talk, method: str) -> None:
    """Each is of its type."""
    contract.check_reply(method, talk.call(method)["parameters"])


def checked(contract: Contract, talk: Talk, **parameters: Any) -> list[dict[str, Any]]:
    """The events of a probe, each of which is as the contract says."""
    contract.parameters("Probe").tojson(parameters)
    talk.more("Probe", **parameters)
    events = []
    while True:
        reply = talk.receive()
        contract.check_reply("Probe", reply["parameters"])
        events.append(reply["parameters"])
        if not reply.get("continues"):
            return events


def test_probe_events(contract: Contract, talk: Talk) -> None:
    """On lo: start, replies, interval reports, summary."""
    events = checked(contract, talk, count=30, interval="20ms", report_every="100ms")
    assert {event["event"] for event in events} == {"start", "reply", "interval", "summary"}


def test_status_while_a_probe_runs(contract: Contract, served: Daemon, talk: Talk) -> None:
    """Running probes have their type too."""
    talk.more("Probe", count=0, interval="10ms")
    talk.receive()
    (other,) = connect_as(served.control, STRANGER)
    with other:
        status = other.call("GetStatus")["parameters"]
    assert len(status["probes"]) == 1
    contract.check_reply("GetStatus", status)


@pytest.fixture
def cable(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> tuple[Daemon, Daemon]:
    """Daemons at both ends of a cable."""
    config = '[echo]\ninterface = "eth1"\n[probe]\ninterfaces = ["eth7"]\n'
    ours, theirs = (daemon(host, config) for host in two_hosts)
    return ours, theirs


def test_probe_events_on_a_cable(contract: Contract, cable: tuple[Daemon, Daemon]) -> None:
    """The only responder is found; when it is gone requests are lost."""
    with _talk(cable[0]) as talk:
        found = checked(contract, talk, count=2, interval="10ms")
        assert [event["event"] for event in found] == ["start", "using", "reply", "reply", "summary"]
        cable[1].stop()
        lost = checked(contract, talk, target="02:00:00:00:00:0b", count=2, interval="10ms", timeout="50ms")
        assert [event["event"] for event in lost] == ["start", "lost", "lost", "summary"]
        assert (lost[-1]["summary"]["rtt_ns"], lost[-1]["summary"]["loss_ratio"]) == (None, 1.0)


def _talk(daemon: Daemon) -> Talk:
    (talk,) = connect_as(daemon.control, 0)
    return talk


def test_status_of_an_absent_interface(contract: Contract, cable: tuple[Daemon, Daemon]) -> None:
    """What is not known is null."""
    ours = cable[0]
    assert ours.reload('[echo]\ninterface = "eth9"\n').returncode == 0
    with _talk(ours) as talk:
        status = talk.call("GetStatus")["parameters"]
    contract.check_reply("GetStatus", status)
    (listener,) = status["listeners"]
    assert (listener["state"], listener["ifindex"], listener["mac"], listener["mtu"]) == (
        "absent",
        None,
        None,
        None,
    )


ERRORS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "InvalidRequest": (0, "Probe", {"size": 1}),
    "InterfaceUnavailable": (0, "Probe", {"interface": "eth7"}),
    "PermissionDenied": (STRANGER, "Reload", {}),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(contract: Contract, cable: tuple[Daemon, Daemon], name: str) -> None:
    """Each has its name and its parameters."""
    uid, method, parameters = ERRORS[name]
    (talk,) = connect_as(cable[0].control, uid)
    with talk:
        reply = talk.call(method, **parameters)
    assert reply["error"] == f"{CONTROL}.{name}"
    contract.check_error(reply["error"], reply["parameters"])


def test_error_of_a_bad_configuration(contract: Contract, cable: tuple[Daemon, Daemon]) -> None:
    """InvalidConfig lists the problems."""
    cable[0].config.write_text("[ech]\n")
    with _talk(cable[0]) as talk:
        reply = talk.call("Reload")
    contract.check_error(reply["error"], reply["parameters"])
    assert reply["error"] == f"{CONTROL}.InvalidConfig"


def test_every_error_of_the_contract_is_raised_somewhere(contract: Contract) -> None:
    """None is dead: the sources name each; the others are in the tests above and beside them."""
    sources = resources.files("rawechod.control")
    text = "".join(each.read_text() for each in sources.iterdir() if each.name.endswith(".py"))
    assert {name for name in contract.names("_Error") if f'"{name}"' not in text} == set()
