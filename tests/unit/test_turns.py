"""Control calls take turns with everything else that the loop does."""

from __future__ import annotations

import socket

from rawechod.control.connection import Turns
from rawechod.reactor import Reactor

CALLS = 100


def test_one_call_then_the_others() -> None:
    """However many wait: behind each call comes what has arrived meanwhile, a frame say."""
    reactor = Reactor()
    turns, told = Turns(reactor), list[str]()
    near, far = socket.socketpair()

    def frame(_: int) -> None:
        told.append("frame")
        near.recv(1)
        if len(told) == 2 * CALLS:
            reactor.stop()

    def call() -> None:
        told.append("call")
        far.send(b"x")

    with near, far:
        reactor.register(near.fileno(), frame)
        for _ in range(CALLS):
            turns.wait(call)
        reactor.run()
    reactor.close()
    assert told == ["call", "frame"] * CALLS


def test_in_the_order_of_asking() -> None:
    """Who asks again is behind those who wait already."""
    reactor = Reactor()
    turns, told = Turns(reactor), list[str]()

    def greedy() -> None:
        told.append("greedy")
        turns.wait(greedy)

    def modest(name: str) -> None:
        told.append(name)
        if name == "c":
            reactor.stop()

    turns.wait(greedy)
    for name in "abc":
        turns.wait(lambda name=name: modest(name))  # type: ignore[misc]
    reactor.run()
    reactor.close()
    assert told == ["greedy", "a", "b", "c"]
