"""What each mode is made of: its policy's own part, its filter, its reflector."""

from __future__ import annotations

import secrets

from rawechod.config import Echo
from rawechod.echo.breaker import StormBreaker
from rawechod.echo.hello import HelloReflector
from rawechod.echo.loopback import LoopbackReflector
from rawechod.echo.reflector import Policy, Reflector
from rawechod.link import Link
from rawechod.packet.filter import hello_filter, loopback_filter, responder_filter
from rawechod.wire import ethernet


def new_reflector(settings: Echo, policy: Policy) -> Reflector | LoopbackReflector | HelloReflector:
    """Who decides on each frame."""
    limits = (settings.rate_limit, settings.peer_rate_limit)
    if settings.mode == "loopback":
        return LoopbackReflector(policy, StormBreaker(secrets.randbits(32), secrets.token_bytes()), *limits)
    return HelloReflector(policy, *limits) if settings.mode == "hello" else Reflector(policy, *limits)


def new_policy(settings: Echo, link: Link, protocol_bound: bool) -> Policy:
    """What is answered on the interface as it is."""
    return Policy(
        ethertype=ethernet.ETHERTYPES[settings.ethertype],
        own_mac=link.mac,
        mtu=link.mtu,
        loopback_device=link.loopback,
        protocol_bound=protocol_bound,
        allow=frozenset(settings.allow),
        refused=refused_ethertypes(settings),
    )


def refused_ethertypes(settings: Echo) -> frozenset[int]:
    """The EtherTypes that loopback mode leaves to the host."""
    if settings.mode != "loopback":
        return frozenset()
    named = settings.loopback_ethertypes
    return frozenset(number for name, number in ethernet.HOST_ETHERTYPES.items() if name not in named)


def new_filter(settings: Echo) -> bytes | None:
    """What the socket hears; None = everything."""
    ethertype = ethernet.ETHERTYPES[settings.ethertype]
    if settings.mode == "loopback":
        return loopback_filter(ethertype, refused_ethertypes(settings))
    return hello_filter(ethertype) if settings.mode == "hello" else responder_filter(ethertype)
