"""Watch as a conversation: by the contract, for everybody, for as long as it is read."""

from __future__ import annotations

import select
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from tests.control.idl import Contract
from tests.control.talk import CONTROL, NOBODY, SERVICE, STRANGER, Talk, connect, connect_as
from tests.lab import Daemon, wait_for
from tests.netns.frames import ZERO

QUICK = {"interval": "100ms"}


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The control interface's."""
    return Contract(resources.files("rawechod.control").joinpath(f"{CONTROL}.varlink").read_text())


def look(talk: Talk) -> dict[str, Any]:
    """The next reply, which is not the last."""
    reply = talk.receive()
    assert reply["continues"]
    return dict(reply["parameters"])


@pytest.fixture
def watchers(served: Daemon) -> Iterator[list[Talk]]:
    """Twenty, who have had their first reply."""
    talks = [connect(served.control) for _ in range(20)]
    for talk in talks:
        talk.more("Watch", **QUICK)
        look(talk)
    yield talks
    for talk in talks:
        talk.socket.close()


def test_by_the_contract(contract: Contract, served: Daemon, talk: Talk) -> None:
    """A look at once, then one after the other, and a last one for who sends no more."""
    served.probe("-c", "3", "-i", "0.01")
    contract.parameters("Watch").tojson(QUICK | {"most": 5})
    talk.more("Watch", **QUICK, most=5)
    looks = [look(talk) for _ in range(3)]
    talk.finish()
    looks.append(talk.last()["parameters"])
    for one in looks:
        contract.check_reply("Watch", one)
        assert one["pid"] == served.process.pid
        assert [peer["mac"] for peer in one["peers"]] == [ZERO]
        assert one["peers"][0]["received"] == one["listeners"][0]["replied"] == 3
    for clock in ("uptime_s", "at_ns"):
        assert [one[clock] for one in looks] == sorted(one[clock] for one in looks)
    assert talk.rest() == b""


def test_a_look_is_of_one_moment(served: Daemon, talk: Talk) -> None:
    """Its counts agree while frames come, also where somebody has just asked for the peers."""
    talk.more("Watch", **QUICK)
    with connect(served.control) as probing, connect(served.control) as asking:
        probing.more("Probe", count=0, interval="50us", quiet=True)
        looks: list[dict[str, Any]] = []
        while len(looks) < 5 or not looks[-1]["probes"]:
            while not select.select([talk.socket], [], [], 0)[0]:
                asking.call("GetPeers")
            looks.append(look(talk))
    requests = [one["listeners"][0]["received"] for one in looks]
    assert requests[-1] > requests[0]
    assert [sum(peer["received"] for peer in one["peers"]) for one in looks] == requests


@pytest.mark.parametrize("uid", [0, STRANGER, NOBODY])
def test_everybody_may(served: Daemon, uid: int) -> None:
    """It is reading."""
    (talk,) = connect_as(served.control, uid)
    with talk:
        talk.more("Watch")
        assert look(talk)["listeners"][0]["interface"] == "lo"


def test_a_watch_is_a_stream(talk: Talk) -> None:
    """Without `more` there is no sense in it."""
    assert talk.call("Watch")["error"] == f"{SERVICE}.ExpectedMore"


BAD = [
    *(("Watch", "interval", value, words) for value, words in (("99ms", "at least 100ms"), ("2h", "at most 1h"))),
    ("Watch", "interval", "soon", "is no duration"),
    ("Watch", "most", 101, "at most 100"),
    ("GetPeers", "most", 1001, "at most 1000"),
    *((method, "most", -1, "at least 0") for method in ("Watch", "GetPeers")),
    ("GetPeers", "interface", "eth7", "there is no listener on eth7; there is lo"),
]


@pytest.mark.parametrize(("method", "parameter", "value", "words"), BAD)
def test_bad_values(talk: Talk, method: str, parameter: str, value: Any, words: str) -> None:
    """Each is refused by name, with a sentence."""
    talk.more(method, **{parameter: value})
    reply = talk.receive()
    assert reply["error"] == f"{CONTROL}.InvalidRequest"
    assert reply["parameters"]["parameter"] == parameter
    assert words in reply["parameters"]["reason"]


def test_one_look_serves_all(watchers: list[Talk]) -> None:
    """Who is due at the same time is told the same."""
    second = [look(talk)["at_ns"] for talk in watchers]
    assert len(set(second)) < len(watchers)


def test_who_leaves_does_not_disturb_the_others(served: Daemon, watchers: list[Talk]) -> None:
    """By closing, or politely; also while listeners come and go."""
    for talk in watchers[1:11]:
        talk.socket.close()
    for talk in watchers[11:]:
        talk.finish()
        assert talk.last()["parameters"]["pid"] == served.process.pid
    before = served.config.read_text()
    assert served.reload(before + '[[echo]]\ninterface = "eth9"\n').returncode == 0
    wait_for(lambda: len(look(watchers[0])["listeners"]) == 2, "both listeners")
    assert served.reload(before).returncode == 0
    wait_for(lambda: len(look(watchers[0])["listeners"]) == 1, "the one listener")


def test_a_daemon_that_ends(served: Daemon) -> None:
    """Its watchers do not keep it from that."""
    with connect(served.control) as talk:
        talk.more("Watch", interval="1h")
        look(talk)
        assert served.stop() == 0
        assert talk.rest() == b""
    served.restart()
