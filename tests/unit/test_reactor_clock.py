"""The loop learns when somebody sets the wall clock."""

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
