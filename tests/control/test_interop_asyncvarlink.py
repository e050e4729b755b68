"""The PyPI package `asyncvarlink` as a client, typed by the contract: it refuses what is not as that says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncvarlink import (
    GenericVarlinkErrorReply,
    VarlinkClientProtocol,
    VarlinkInterface,
    VarlinkMethodSignature,
    connect_unix_varlink,
)
from asyncvarlink.serviceinterface import InterfaceNotFound, MethodNotFound, VarlinkServiceInterface

from tests.control.idl import Contract
from tests.control.talk import CONTROL, SERVICE, Talk
from tests.lab import Daemon

Conversation = Callable[[VarlinkClientProtocol], Awaitable[Any]]
Typed = Callable[[bool], type[VarlinkInterface]]


@asynccontextmanager
async def connected(daemon: Daemon) -> AsyncIterator[VarlinkClientProtocol]:
    """A connection."""
    transport, protocol = await connect_unix_varlink(VarlinkClientProtocol, daemon.control)
    try:
        yield protocol
    finally:
        transport.close()
        await asyncio.sleep(0)


def hold(daemon: Daemon, conversation: Conversation) -> Any:
    """Hold a conversation; half a minute is enough for any of these."""

    async def run() -> Any:
        async with connected(daemon) as protocol:
            return await asyncio.wait_for(conversation(protocol), 30)

    return asyncio.run(run())


@pytest.fixture
def typed(talk: Talk) -> Typed:
    """The control interface with the contract's types, its methods called with or without `more`."""
    talk.send({"method": f"{SERVICE}.GetInterfaceDescription", "parameters": {"interface": CONTROL}})
    contract = Contract(talk.receive()["parameters"]["description"])

    def method(name: str, more: bool) -> Callable[..., None]:
        def called() -> None:
            """Nobody calls it: the proxy looks at its signature alone."""

        signature = VarlinkMethodSignature(False, more, contract.parameters(name), contract.reply(name))
        called._varlink_signature = signature  # type: ignore[attr-defined]
        return called

    def interface(more: bool) -> type[VarlinkInterface]:
        members: dict[str, Any] = {name: method(name, more) for name in contract.names("_Method")}
        return type("Control", (VarlinkInterface,), members | {"name": CONTROL, "errors": (MethodNotFound,)})

    return interface


def test_service(served: Daemon) -> None:
    """The library's own idea of org.varlink.service: both methods, and its error with the parameter."""

    async def conversation(protocol: VarlinkClientProtocol) -> None:
        service = protocol.make_proxy(VarlinkServiceInterface)
        info = await service.GetInfo()
        assert info["product"] == "rawechod"
        for name in info["interfaces"]:
            assert f"interface {name}" in (await service.GetInterfaceDescription(interface=name))["description"]
        with pytest.raises(InterfaceNotFound) as caught:
            await service.GetInterfaceDescription(interface="com.example.Nothing")
        assert caught.value.parameters == {"interface": "com.example.Nothing"}

    hold(served, conversation)


@pytest.mark.parametrize("method", ["GetStatus", "GetCounters", "GetConfig", "Reload"])
def test_reading(served: Daemon, typed: Typed, method: str) -> None:
    """Each reply passes the library's checks."""

    async def conversation(protocol: VarlinkClientProtocol) -> Any:
        return await getattr(protocol.make_proxy(typed(False)), method)()

    assert hold(served, conversation)


def test_pipelined_calls(served: Daemon, typed: Typed) -> None:
    """Many at once; each future gets its own reply."""

    async def conversation(protocol: VarlinkClientProtocol) -> Any:
        control = protocol.make_proxy(typed(False))
        return await asyncio.gather(*(control.GetStatus() for _ in range(50)))

    assert {status["pid"] for status in hold(served, conversation)} == {served.process.pid}


def test_probe_with_more(served: Daemon, typed: Typed) -> None:
    """Events as they come, each as the contract says, then another call on the same connection."""

    async def conversation(protocol: VarlinkClientProtocol) -> Any:
        control = protocol.make_proxy(typed(True))
        events = [event["event"] async for event in control.Probe(count=3, interval="1ms")]
        assert (await protocol.make_proxy(typed(False)).GetStatus())["probes"] == []
        return events

    assert hold(served, conversation) == ["start", "reply", "reply", "reply", "summary"]


def test_probe_without_more(served: Daemon, typed: Typed) -> None:
    """The summary alone."""

    async def conversation(protocol: VarlinkClientProtocol) -> Any:
        return await protocol.make_proxy(typed(False)).Probe(count=2, interval="1ms")

    assert hold(served, conversation)["summary"]["received"] == 2


def test_one_way(served: Daemon, typed: Typed) -> None:
    """No reply is waited for, and none comes."""

    async def conversation(protocol: VarlinkClientProtocol) -> Any:
        control = protocol.make_proxy(typed(False))
        await control.Reload.oneway()
        return await control.GetStatus()

    assert hold(served, conversation)["pid"] == served.process.pid


def test_our_errors(served: Daemon, typed: Typed) -> None:
    """Name and parameters."""

    async def conversation(protocol: VarlinkClientProtocol) -> None:
        with pytest.raises(GenericVarlinkErrorReply) as caught:
            await protocol.make_proxy(typed(False)).Probe(size=1)
        assert caught.value.name == f"{CONTROL}.InvalidRequest"
        assert caught.value.parameters["parameter"] == "size"

    hold(served, conversation)
