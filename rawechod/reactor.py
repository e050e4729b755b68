"""The loop: select.epoll, deadlines and signals; the only place that waits.

Deadlines go through one timerfd, since epoll's own timeout counts whole milliseconds.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable

Callback = Callable[[int], None]

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
HANG_UP = select.EPOLLRDHUP
GONE = select.EPOLLHUP
ERROR = select.EPOLLERR

_CLOCK_REALTIME, _CLOCK_MONOTONIC = 0, 1
_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2
_FAR_AWAY = (1 << 62) // 1_000_000_000
_PR_SET_TIMERSLACK = 29
_SECOND = 1_000_000_000
_ITIMERSPEC = struct.Struct("@llll")
_libc = ctypes.CDLL(None, use_errno=True)


class Deadline:
    """A call at a time; `cancel` makes it never happen."""

    __slots__ = ("callback", "when")

    def __init__(self, when: int, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    @property
    def pending(self) -> bool:
        """Whether it is still to come."""
        return self.callback is not None

    def cancel(self) -> None:
        """Never call back."""
        self.callback = None


class Reactor:
    """Calls back when a descriptor is ready, a deadline has come, or a signal has arrived."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        self._deadlines: list[tuple[int, int, Deadline]] = []
        self._order = itertools.count()
        self._running = False
        self._timer = _new_timerfd(_CLOCK_MONOTONIC)
        self._step_timer = _new_timerfd(_CLOCK_REALTIME)
        self._armed_for: int | None = None
        self._spin_until = 0
        self.register(self._timer, self._timer_expired)
        self._signals: dict[int, Callable[[], None]] = {}
        self._signal_reader, self._signal_writer = socket.socketpair()
        self._signal_reader.setblocking(False)
        self._signal_writer.setblocking(False)
        self.register(self._signal_reader.fileno(), self._signal_arrived)

    @staticmethod
    def now() -> int:
        """CLOCK_MONOTONIC, nanoseconds."""
        return time.monotonic_ns()

    def register(self, fd: int, callback: Callback, events: int = READ) -> None:
        """Call back with the epoll events of a descriptor; level-triggered."""
        self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def modify(self, fd: int, events: int) -> None:
        """Wait for other events of a registered descriptor."""
        self._epoll.modify(fd, events)

    def unregister(self, fd: int) -> None:
        """Forget a descriptor; call it before closing."""
        self._epoll.unregister(fd)
        del self._callbacks[fd]

    def call_at(self, when: int, callback: Callable[[], None]) -> Deadline:
        """Call back at a monotonic time, nanoseconds; at once where it has passed."""
        deadline = Deadline(when, callback)
        heapq.heappush(self._deadlines, (when, next(self._order), deadline))
        return deadline

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Call back from the loop, not from the signal handler."""
        signal.set_wakeup_fd(self._signal_writer.fileno(), warn_on_full_buffer=False)
        self._signals[number] = callback
        signal.signal(number, lambda _number, _frame: None)

    def on_clock_step(self, callback: Callable[[], None]) -> None:
        """Call back whenever somebody sets the wall clock."""

        def stepped(_events: int) -> None:
            try:
                os.read(self._step_timer, 8)
            except OSError:
                pass  # ECANCELED: that is the news; it goes on waiting.
            callback()

        _arm(self._step_timer, _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET, _FAR_AWAY, 0)
        self.register(self._step_timer, stepped)

    def run(self) -> None:
        """Serve until `stop`."""
        self._running = True
        while self._running:
            self._run_deadlines()
            if not self._running:
                break
            self._arm_timer()
            for fd, events in self._epoll.poll(self._patience()):
                # An earlier callback of this round may have closed the descriptor.
                callback = self._callbacks.get(fd)
                if callback:
                    callback(events)

    def spin(self, nanoseconds: int) -> None:
        """Do not sleep for so long from now on: whoever expects the next frame soon saves being woken up."""
        self._spin_until = self.now() + nanoseconds

    def _patience(self) -> float | None:
        if not self._spin_until:
            return None
        if self._spin_until > self.now():
            return 0
        self._spin_until = 0
        return None

    def stop(self) -> None:
        """Leave `run` after the present callback."""
        self._running = False

    def close(self) -> None:
        """Give the descriptors back."""
        signal.set_wakeup_fd(-1)
        self._signal_reader.close()
        self._signal_writer.close()
        os.close(self._timer)
        os.close(self._step_timer)
        self._epoll.close()

    def _run_deadlines(self) -> None:
        """Call what is due now; what becomes due meanwhile waits for the next round, behind the descriptors."""
        now = self.now()
        due: list[Deadline] = []
        while self._deadlines and (self._deadlines[0][0] <= now or not self._deadlines[0][2].callback):
            due.append(heapq.heappop(self._deadlines)[2])
        for deadline in due:
            callback, deadline.callback = deadline.callback, None
            if callback:
                callback()

    def _arm_timer(self) -> None:
        while self._deadlines and not self._deadlines[0][2].callback:
            heapq.heappop(self._deadlines)
        when = self._deadlines[0][0] if self._deadlines else None
        if when != self._armed_for:
            self._armed_for = when
            seconds, nanoseconds = divmod(max(when, 1) if when is not None else 0, _SECOND)
            _arm(self._timer, _TFD_TIMER_ABSTIME, seconds, nanoseconds)

    def _timer_expired(self, _events: int) -> None:
        self._armed_for = None
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            pass  # Armed anew since it expired.

    def _signal_arrived(self, _events: int) -> None:
        for number in self._signal_reader.recv(256):
            if number in self._signals:
                self._signals[number]()


def _arm(timer: int, flags: int, seconds: int, nanoseconds: int) -> None:
    _libc.timerfd_settime(timer, flags, _ITIMERSPEC.pack(0, 0, seconds, nanoseconds), None)


def _new_timerfd(clock: int) -> int:
    # The default slack of 50 us would blur every probe's pace.
    _libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)
    fd: int = _libc.timerfd_create(clock, _TFD_NONBLOCK_CLOEXEC)
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd
