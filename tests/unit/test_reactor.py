"""The loop: descriptors, deadlines and signals."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from rawechod.reactor import HANG_UP, READ, WRITE, Reactor

MS = 1_000_000


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """One that gives up after ten seconds."""
    made = Reactor()
    made.call_at(made.now() + 10_000 * MS, made.stop)
    yield made
    made.close()


def test_deadlines_in_their_order(reactor: Reactor) -> None:
    """By their time, those of the same time by their calls; none early."""
    told: list[tuple[str, int]] = []
    start = reactor.now()

    def note(name: str) -> None:
        told.append((name, reactor.now()))

    for name, delay in (("c", 20), ("a", 0), ("b", 5), ("d", 20)):
        reactor.call_at(start + delay * MS, lambda name=name: note(name))  # type: ignore[misc]
    reactor.call_at(start + 30 * MS, reactor.stop)
    reactor.run()
    assert [name for name, _ in told] == ["a", "b", "c", "d"]
    assert all(when >= start + delay * MS for (_, when), delay in zip(told, (0, 5, 20, 20), strict=True))


def test_cancelled_deadlines(reactor: Reactor) -> None:
    """Never called, whether cancelled before or within the same round."""
    told: list[str] = []

    def cancel_the_second() -> None:
        told.append("first")
        second.cancel()

    first = reactor.call_at(0, cancel_the_second)
    second = reactor.call_at(0, lambda: told.append("second"))
    third = reactor.call_at(reactor.now() + MS, lambda: told.append("third"))
    third.cancel()
    reactor.call_at(reactor.now() + 5 * MS, reactor.stop)
    assert (first.pending, second.pending, third.pending) == (True, True, False)
    reactor.run()
    assert told == ["first"]
    assert not first.pending


def test_deadlines_leave_room_for_descriptors(reactor: Reactor) -> None:
    """A deadline that always sets the next one for now does not starve a descriptor."""
    near, far = socket.socketpair()

    def again() -> None:
        reactor.call_at(0, again)

    with near, far:
        reactor.register(near.fileno(), lambda _: reactor.stop())
        again()
        far.send(b"x")
        before = reactor.now()
        reactor.run()
        assert reactor.now() < before + 9_000 * MS
        reactor.unregister(near.fileno())


def test_earliest_deadline_wakes(reactor: Reactor) -> None:
    """One that is set later for an earlier time comes first; a day ahead is no trouble."""
    told: list[str] = []
    reactor.call_at(reactor.now() + 86_400_000 * MS, lambda: told.append("tomorrow"))

    def soon() -> None:
        told.append("soon")
        reactor.stop()

    def earlier() -> None:
        told.append("set")
        reactor.call_at(reactor.now() + MS, soon)

    reactor.call_at(reactor.now() + MS, earlier)
    reactor.run()
    assert told == ["set", "soon"]


def test_events_of_a_descriptor(reactor: Reactor) -> None:
    """What was asked for, as long as it lasts; changed, something else; forgotten, nothing."""
    near, far = socket.socketpair()
    told: list[int] = []

    def ready(events: int) -> None:
        told.append(events)
        if len(told) == 1:
            reactor.modify(near.fileno(), READ | HANG_UP)
            far.send(b"x")
        elif len(told) == 2:
            far.shutdown(socket.SHUT_WR)
        elif events & HANG_UP:
            reactor.unregister(near.fileno())
            reactor.call_at(reactor.now() + 5 * MS, reactor.stop)

    with near, far:
        reactor.register(near.fileno(), ready, WRITE)
        reactor.run()
    assert told[0] == WRITE
    assert told[1] == READ
    assert told[-1] == READ | HANG_UP


def test_closed_within_the_round(reactor: Reactor) -> None:
    """Two are ready, the first closes the second: nobody is called for what is gone."""
    pairs = [socket.socketpair() for _ in range(2)]
    told: list[int] = []

    def ready(index: int) -> None:
        told.append(index)
        other = pairs[1 - index][0]
        reactor.unregister(other.fileno())
        other.close()
        reactor.unregister(pairs[index][0].fileno())
        reactor.call_at(reactor.now() + 5 * MS, reactor.stop)

    for index, (near, far) in enumerate(pairs):
        reactor.register(near.fileno(), lambda _, index=index: ready(index))  # type: ignore[misc]
        far.send(b"x")
    reactor.run()
    assert len(told) == 1
    for near, far in pairs:
        near.close()
        far.close()


def test_signals_come_from_the_loop(reactor: Reactor) -> None:
    """Each by its number, not from within the handler; others are left alone."""
    told: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    try:
        for number in before:
            reactor.on_signal(number, lambda number=number: told.append(number))  # type: ignore[misc]
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert told == []
        reactor.call_at(reactor.now() + 5 * MS, reactor.stop)
        reactor.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert sorted(told) == [signal.SIGUSR1, signal.SIGUSR2]


def test_a_storm_of_signals(reactor: Reactor) -> None:
    """More than the pipe between holds: the loop goes on, nothing is raised."""
    told: list[int] = []
    before = signal.getsignal(signal.SIGUSR1)
    try:
        reactor.on_signal(signal.SIGUSR1, lambda: told.append(1))
        for _ in range(5000):
            os.kill(os.getpid(), signal.SIGUSR1)
        reactor.call_at(reactor.now() + 5 * MS, reactor.stop)
        reactor.run()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told
