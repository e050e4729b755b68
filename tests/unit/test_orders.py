"""From what a caller wishes to what is probed: the configuration's defaults, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from rawechod import config
from rawechod.errors import InterfaceError, RequestError
from rawechod.link import LinkMonitor
from rawechod.probe.job import Order
from rawechod.probe.prober import Prober, Wish
from rawechod.reactor import Reactor
from rawechod.wire import ethernet
from tests.lab import Host, wait_for

US, MS = 1_000, 1_000_000
SECOND = 1000 * MS
EX1, PAE, ALL = 0x88B5, 0x888E, 3
OWN, OTHER = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
OTHER_MAC = bytes.fromhex("02000000000b")
TABLES: dict[str, Any] = {
    "echo": [{"interface": "lo"}, {"interface": "eth1", "ethertype": "ETH_P_PAE"}],
    "probe": {"interfaces": ["eth2", "eth3", "eth9"], "target": OTHER},
}


@pytest.fixture(scope="module")
def links(root: None) -> Iterator[LinkMonitor]:
    """`lo` and the two ends of a cable are up, `eth3` is down, `eth9` does not exist."""
    host = Host("orders")
    host.ip("link", "add", "eth1", "address", OWN, "type", "veth", "peer", "name", "eth2")
    host.ip("link", "add", "eth3", "type", "veth", "peer", "name", "eth4")
    for name in ("eth1", "eth2"):
        host.ip("link", "set", name, "up")
    wait_for(lambda: host.link("eth1")["operstate"] == "UP", "eth1 up")
    with host.entered():
        monitor = LinkMonitor(lambda: None)
    yield monitor
    monitor.close()
    host.close()


Ordering = Callable[..., Order]


@pytest.fixture
def order(links: LinkMonitor) -> Iterator[Ordering]:
    """The order for a wish, with these tables changed."""
    reactor = Reactor()

    def made(tables: dict[str, Any] | None = None, **wish: Any) -> Order:
        settings = config.parse(TABLES | (tables or {}), "test")
        return Prober(reactor, links, settings).order(Wish(**wish))

    yield made
    reactor.close()


def test_defaults_on_lo(order: Ordering) -> None:
    """The zero address, a single EtherType, the configuration's pace and size."""
    made = order(interface="lo")
    assert (made.link.name, made.target, made.ethertype, made.size) == ("lo", bytes(6), EX1, 60)
    assert (made.plan.count, made.plan.interval, made.plan.timeout) == (10, SECOND, SECOND)
    assert (made.plan.deadline, made.hello) == (0, False)


def test_the_only_interface(order: Ordering) -> None:
    """With one listener, however many tables name it, nobody has to say which."""
    tables = [{"interface": "eth1", "ethertype": name} for name in ("ETH_P_PAE", "ETH_P_802_EX1")]
    assert order({"echo": tables}).link.name == "eth1"
    assert order({"probe": {"interface": "eth2"}}).link.name == "eth2"


@pytest.mark.parametrize(
    ("tables", "words"),
    [({}, "name the interface: lo, eth1, eth2, eth3, eth9"), ({"echo": [], "probe": {}}, "none is configured")],
)
def test_which_interface(order: Ordering, tables: dict[str, Any], words: str) -> None:
    """With several, or none, the caller has to say."""
    with pytest.raises(RequestError, match=words) as caught:
        order(tables)
    assert caught.value.parameter == "interface"


@pytest.mark.parametrize(("name", "words"), [("eth3", "eth3 is down"), ("eth9", "there is no interface eth9")])
def test_unusable_interface(order: Ordering, name: str, words: str) -> None:
    """Allowed, but not there."""
    with pytest.raises(InterfaceError, match=words):
        order(interface=name)


def test_unnamed_interface(order: Ordering) -> None:
    """One that exists and that no table names is not probed from."""
    with pytest.raises(
        RequestError, match="probing from eth4 is not configured; allowed: lo, eth1, eth2"
    ) as caught:
        order(interface="eth4")
    assert caught.value.parameter == "interface"


ETHERTYPES = [
    ({}, {"interface": "eth1"}, PAE),
    ({}, {"interface": "eth2"}, EX1),
    ({}, {"interface": "lo"}, EX1),
    ({}, {"interface": "eth1", "ethertype": "0x88B6"}, 0x88B6),
    ({"probe": {"ethertype": "0x1234", "interfaces": ["eth2"]}}, {"interface": "eth2"}, 0x1234),
    ({"probe": {"ethertype": "0x1234"}}, {"interface": "eth1", "ethertype": "ETH_P_PAE"}, PAE),
    ({}, {"interface": "lo", "hello": True}, ALL),
    ({"probe": {"ethertype": "0x1234"}}, {"interface": "lo", "hello": True}, ALL),
    ({}, {"interface": "lo", "hello": True, "ethertype": "ETH_P_PAE"}, PAE),
    ({"echo": [{"interface": "lo", "ethertype": "ETH_P_802_EX1"}]}, {"interface": "lo", "hello": True}, ALL),
    (
        {"echo": [{"interface": "lo", "ethertype": "ETH_P_802_EX1", "mode": "hello"}]},
        {"interface": "lo", "hello": True},
        EX1,
    ),
]


@pytest.mark.parametrize(("tables", "wish", "ethertype"), ETHERTYPES)
def test_ethertype(order: Ordering, tables: dict[str, Any], wish: dict[str, Any], ethertype: int) -> None:
    """The wish's, else the configuration's, else the listener's, else 802_EX1; hello speaks as the listener."""
    assert order(tables, **wish).ethertype == ethertype


TARGETS = [
    ({"interface": "lo"}, bytes(6)),
    ({"interface": "lo", "target": OTHER}, OTHER_MAC),
    ({"interface": "eth1"}, OTHER_MAC),
    ({"interface": "eth1", "target": "02-00-00-00-00-0C"}, bytes.fromhex("02000000000c")),
    ({"interface": "eth1", "target": "broadcast"}, ethernet.BROADCAST),
    ({"interface": "eth1", "target": "pae-group"}, ethernet.PAE_GROUP),
    ({"interface": "eth2", "target": OWN}, bytes.fromhex("02000000000a")),
]


@pytest.mark.parametrize(("wish", "target"), TARGETS)
def test_target(order: Ordering, wish: dict[str, Any], target: bytes) -> None:
    """The wish's, else the configuration's; on lo the zero address."""
    assert order(**wish).target == target


def test_no_target_asks_who_is_there(order: Ordering) -> None:
    """Nobody is named at all."""
    assert order({"probe": {}}, interface="eth1").target is None


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("target", {"target": OWN}, f"{OWN} is eth1's own MAC"),
    ("target", {"target": "me"}, "'me' is no MAC address"),
    ("interval", {"target": "broadcast", "interval": 99 * MS}, "at most ten times a second"),
    ("interval", {"target": "01:00:5e:00:00:01", "interval": MS}, "at most ten times a second"),
    ("ethertype", {"ethertype": "ETH_P_ALL"}, "a probe needs one EtherType"),
    ("ethertype", {"ethertype": "0x8100"}, "is no EtherType"),
    ("size", {"size": 1515}, r"1515 octets: eth1 takes 64 to 1514 \(MTU 1500 and the header\)"),
    ("hello", {"hello": True}, "works on lo only, not on eth1"),
    (
        "timeout",
        {"interval": 10 * US, "timeout": 11 * SECOND},
        "1100064 requests may wait for their replies: at most 1048576 can",
    ),
]


@pytest.mark.parametrize(("parameter", "wish", "words"), REFUSED)
def test_refused(order: Ordering, parameter: str, wish: dict[str, Any], words: str) -> None:
    """A sentence, and the parameter that is to blame."""
    with pytest.raises(RequestError, match=words) as caught:
        order(interface="eth1", **wish)
    assert caught.value.parameter == parameter


ALLOWED: list[dict[str, Any]] = [
    *({"size": 1514}, {"size": 64}),
    {"target": "broadcast", "interval": 100 * MS},
    {"interval": 10 * US, "timeout": 10_480_000 * US},
    {"interval": 10 * US, "timeout": 60 * SECOND, "flood": True, "target": OTHER},
]


@pytest.mark.parametrize("wish", ALLOWED)
def test_just_allowed(order: Ordering, wish: dict[str, Any]) -> None:
    """The bounds themselves."""
    made = order(interface="eth1", **wish)
    assert made.size == wish.get("size", 64)


def test_the_wish_goes_before_the_configuration(order: Ordering) -> None:
    """Every figure."""
    tables = {"probe": {"interfaces": ["eth2"], "count": 5, "interval": "2s", "timeout": "3s", "size": 100}}
    by_default = order(tables, interface="eth2")
    assert (by_default.plan.count, by_default.plan.interval, by_default.plan.timeout, by_default.size) == (
        *(5, 2 * SECOND, 3 * SECOND),
        100,
    )
    wished = order(tables, interface="eth2", count=0, interval=MS, timeout=2 * MS, size=61, deadline=9 * SECOND)
    assert wished.plan == replace(by_default.plan, count=0, interval=MS, timeout=2 * MS, deadline=9 * SECOND)
    assert wished.size == 61
