"""The PyPI package `varlink` as a client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import varlink

from tests.control.talk import CONTROL, SERVICE
from tests.lab import Daemon


@pytest.fixture
def client(served: Daemon) -> Iterator[varlink.Client]:
    """Connected to the daemon."""
    with varlink.Client(f"unix:{served.control}") as made:
        yield made


@pytest.fixture
def control(client: varlink.Client) -> Iterator[Any]:
    """The control interface; the library has fetched and parsed its description."""
    with client.open(CONTROL) as opened:
        yield opened


def test_info(client: varlink.Client) -> None:
    """GetInfo, and every interface that it lists."""
    with client.open(SERVICE) as service:
        info = service.GetInfo()
    assert info["product"] == "rawechod"
    for name in info["interfaces"]:
        assert client.get_interface(name).name == name


def test_status(served: Daemon, control: Any) -> None:
    """A call without parameters, and its reply through the library's own types."""
    status = control.GetStatus()
    assert status["pid"] == served.process.pid
    assert status["listeners"][0]["interface"] == "lo"


def test_probe_without_more(control: Any) -> None:
    """The summary as the only reply."""
    reply = control.Probe(count=2, interval="1ms")
    assert (reply["event"], reply["summary"]["received"]) == ("summary", 2)


def test_probe_with_more(control: Any) -> None:
    """Events as they come."""
    events = [reply["event"] for reply in control.Probe(count=3, interval="1ms", _more=True)]
    assert events == ["start", "reply", "reply", "reply", "summary"]


def test_all_methods_in_turn(control: Any) -> None:
    """One connection for everything."""
    for method in ("GetStatus", "GetCounters", "GetConfig", "Reload", "GetStatus"):
        assert getattr(control, method)()


def test_typed_error_of_ours(control: Any) -> None:
    """Name and parameters."""
    with pytest.raises(varlink.VarlinkError) as caught:
        control.Probe(size=1)
    assert caught.value.error() == f"{CONTROL}.InvalidRequest"
    assert caught.value.parameters()["parameter"] == "size"


def test_errors_of_the_service(client: varlink.Client) -> None:
    """The library knows them and raises its own classes."""
    with client.open(SERVICE) as service:
        with pytest.raises(varlink.InvalidParameter, match="interface"):
            service.GetInterfaceDescription()
        with pytest.raises(varlink.InterfaceNotFound, match=r"com\.example"):
            service.GetInterfaceDescription("com.example.Nothing")


def test_unknown_method(client: varlink.Client) -> None:
    """One that only the client believes in."""
    parsed = client.get_interface(CONTROL)
    text = parsed.get_description() + "\nmethod Nothing() -> ()\n"
    client.add_interface(varlink.Interface(text))
    with client.open(CONTROL) as opened, pytest.raises(varlink.VarlinkError) as caught:
        opened.Nothing()
    assert (caught.value.error(), caught.value.parameters()) == (
        f"{SERVICE}.MethodNotFound",
        {"method": "Nothing"},
    )
