"""Watch and GetPeers where there are more peers than a reply may hold."""

from __future__ import annotations

import socket
from importlib import resources
from typing import Any

import pytest

from tests.control.idl import Contract
from tests.control.talk import CONTROL, Talk, connect
from tests.lab import Daemon, wait_for
from tests.netns.conftest import Responder
from tests.netns.frames import request
from tests.netns.port import Port

MANY, A_FEW = 1200, 300
LOOKS = 40
TOLD = [(None, 100, 10), (0, 0, 0), (3, 3, 3), (100, 100, 100), (1000, 1000, 10)]
"""As many as are asked for: by GetPeers, and by Watch, which takes fewer."""


@pytest.fixture
def crowded(responder: Responder, near: Port) -> Daemon:
    """A daemon that knows so many."""
    ours = responder(rate_limit=0)
    macs = [f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}" for number in range(MANY)]
    for start in range(0, MANY, A_FEW):
        near.answers(*(request(src=mac) for mac in macs[start : start + A_FEW]))
    with connect(ours.control) as talk:
        wait_for(lambda: talk.call("GetPeers")["parameters"]["known"] == MANY + 1, "all to be known")
    return ours


def look(talk: Talk) -> dict[str, Any]:
    """The next reply of a watch."""
    return dict(talk.receive()["parameters"])


def test_how_many_peers(crowded: Daemon) -> None:
    """As many as were asked for, the busiest first, however many there are; replies stay far below the limit."""
    contract = Contract(resources.files("rawechod.control").joinpath(f"{CONTROL}.varlink").read_text())
    for most, *told in TOLD:
        wish = {} if most is None else {"most": most}
        with connect(crowded.control) as asking, connect(crowded.control) as watching:
            reply = asking.call("GetPeers", **wish)["parameters"]
            watching.more("Watch", **(wish if most != 1000 else {}))
            seen = look(watching)
        contract.check_reply("GetPeers", reply)
        contract.check_reply("Watch", seen)
        assert [len(reply["peers"]), len(seen["peers"])] == told
        counts = [peer["received"] for peer in reply["peers"]]
        assert counts[:1] == ([MANY // A_FEW] if counts else [])
        assert counts == sorted(counts, reverse=True)
        assert len(str(reply)) < 1 << 18


def test_a_reader_that_does_not_read(crowded: Daemon) -> None:
    """It is not cut off and gets no more than fits into the kernel's buffers, while another gets all."""
    with connect(crowded.control) as slow, connect(crowded.control) as quick:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for talk in (slow, quick):
            talk.more("Watch", interval="100ms", most=100)
        for _ in range(LOOKS):
            look(quick)
        slow.finish()
        replies = [slow.receive()]
        while replies[-1].get("continues"):
            replies.append(slow.receive())
    assert len(replies) < LOOKS
