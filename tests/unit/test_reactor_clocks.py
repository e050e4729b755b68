"""The loop and the clocks: it learns when somebody sets one, and stays awake for as long as it is told."""

from __future__ import annotations

import ctypes
import struct

import pytest

from rawechod.reactor import Reactor

ADJ_SETOFFSET, ADJ_NANO = 0x0100, 0x2000
TIME_OFFSET = 72
"""Where struct timex has the offset, seconds and nanoseconds."""
_libc = ctypes.CDLL(None, use_errno=True)


def step(nanoseconds: int) -> None:
    """Set the clock forth or back by next to nothing, which the kernel tells like any other step."""
    timex = bytearray(512)
    struct.pack_into("@I", timex, 0, ADJ_SETOFFSET | ADJ_NANO)
    struct.pack_into("@qq", timex, TIME_OFFSET, *divmod(nanoseconds, 1_000_000_000))
    if _libc.adjtimex((ctypes.c_char * len(timex)).from_buffer(timex)) < 0:
        pytest.skip("needs CAP_SYS_TIME: setting the clock by a nanosecond")


def test_every_step_is_told(root: None) -> None:
    """Not only the first one."""
    reactor = Reactor()
    steps, told = [1, -1, 1, -1], []

    def stepped() -> None:
        told.append(reactor.now())
        if len(told) == len(steps):
            reactor.stop()
        else:
            step(steps[len(told)])

    reactor.on_clock_step(stepped)
    reactor.call_at(reactor.now(), lambda: step(steps[0]))
    reactor.call_at(reactor.now() + 10_000_000_000, reactor.stop)
    reactor.run()
    reactor.close()
    assert len(told) == len(steps)


def test_spinning_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not sleep until the time is over, counted from the last frame; then it does again."""
    reactor, now = Reactor(), 1000
    monkeypatch.setattr(reactor, "now", lambda: now)
    assert reactor._patience() is None
    reactor.spin(50)
    for moment, patience in ((1000, 0), (1049, 0), (1050, None), (1051, None)):
        now = moment
        assert reactor._patience() == patience
    reactor.spin(50)
    now += 49
    reactor.spin(50)
    now += 49
    assert reactor._patience() == 0
    reactor.close()


def test_spinning_starves_nobody() -> None:
    """Deadlines are kept meanwhile."""
    reactor = Reactor()
    reactor.spin(10_000_000_000)
    reactor.call_at(reactor.now() + 1_000_000, reactor.stop)
    reactor.run()
    assert reactor._patience() == 0
    reactor.close()
