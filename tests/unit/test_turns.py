"""Control calls take turns with everything else that the loop does."""

from __future__ import annotations

import socket
from functools import partial

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
            turns.wait(0, True, call)
        reactor.run()
    reactor.close()
    assert told == ["call", "frame"] * CALLS


def order(*waiting: tuple[int, bool, str]) -> str:
    """Who is served in which order: letters of those who wait, each with a uid and whether it is an operator."""
    reactor = Reactor()
    turns, told = Turns(reactor), list[str]()

    def serve(letter: str) -> None:
        told.append(letter)
        if len(told) == len(waiting):
            reactor.stop()

    for uid, operator, letter in waiting:
        turns.wait(uid, operator, partial(serve, letter))
    reactor.run()
    reactor.close()
    return "".join(told)


def test_in_the_order_of_asking() -> None:
    """Of one user, and of several who ask for as much as each other."""
    assert order((1, False, "a"), (1, False, "b"), (1, False, "c")) == "abc"
    assert order((1, False, "a"), (2, False, "b"), (3, False, "c")) == "abc"


def test_a_turn_a_user() -> None:
    """Who waits a hundred times gets no more turns than who waits once."""
    greedy = [(1, False, "g")] * 100
    assert order(*greedy, (2, False, "a"), (2, False, "b"), (3, False, "c")) == "gacgb" + "g" * 98
    operators = [(1, True, "g")] * 100
    assert order(*operators, (2, True, "a"), (2, True, "b")) == "gagb" + "g" * 98


def test_operators_first() -> None:
    """Whenever they come."""
    assert order((1, False, "a"), (1, False, "b"), (2, True, "o"), (3, True, "p"), (2, True, "q")) == "opqab"


def test_who_asks_again_waits_again() -> None:
    """Behind those who wait already."""
    reactor = Reactor()
    turns, told = Turns(reactor), list[str]()

    def greedy() -> None:
        told.append("greedy")
        turns.wait(0, False, greedy)

    def modest(name: str) -> None:
        told.append(name)
        if name == "c":
            reactor.stop()

    turns.wait(0, False, greedy)
    for uid, name in enumerate("abc", 1):
        turns.wait(uid, False, partial(modest, name))
    reactor.run()
    reactor.close()
    assert told == ["greedy", "a", "b", "c"]
