"""All listeners: brought in line with the configuration and the interfaces in turns of the loop, however many.

To open or close a socket takes the kernel ten milliseconds or more, and to load a program a hundred: what is to be
done to hundreds of listeners leaves the loop to frames, callers and the watchdog in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from threading import Thread

from rawechod import systemd
from rawechod.config import Echo
from rawechod.echo.listener import Listener
from rawechod.link import LinkMonitor
from rawechod.reactor import Reactor

TURN = 10_000_000
"""Nanoseconds after which a turn ends; what is begun by then is done."""
PROGRESS_EVERY = 1_000_000_000
"""The service manager is told that often that it goes on."""
MOST_THREADS, A_THREAD = 16, 8
"""That close listeners, and how many listeners are worth one more."""

Done = Callable[[Exception | None], None]


class Listeners:
    """A listener for each table of the configuration."""

    def __init__(
        self,
        reactor: Reactor,
        links: LinkMonitor,
        followed: Callable[[], None] = lambda: None,
        new: Callable[[Reactor, Echo, int], Listener] = Listener,
    ) -> None:
        """`followed` is called whenever all have followed a change of the interfaces."""
        self.present: list[Listener] = []
        """Those that have been started, in the order of the configuration."""
        self._reactor = reactor
        self._links = links
        self._followed = followed
        self._new = new
        self._behind: dict[Listener, None] = {}
        """Those that have not followed the latest change of the interfaces yet."""
        self._leaving: deque[Listener] = deque()
        """Those that are to be closed."""
        self._work: Iterator[None] | None = None
        self._done: Done = lambda _error: None
        self._turns = False
        self._told_at = 0

    def replace(self, tables: Sequence[Echo], done: Done) -> None:
        """Have these; those whose table stays go on with all they know. Where that fails the old ones come back.

        `done` is called in the end, before the next `replace` may be.
        """
        self._work, self._done = self._replace(tables), done
        self._begin()

    def follow(self) -> None:
        """The interfaces have changed."""
        self._behind |= dict.fromkeys(self.present)
        self._begin()

    def close(self) -> None:
        """Stop all of them, for good.

        Closing a socket means to wait until no CPU is in the midst of it; many can wait for that at the same time.
        """
        self._work = None
        self._behind.clear()
        self._leaving.extend(self.present)
        self.present = []
        threads = [Thread(target=self._close_one_by_one) for _ in range(len(self._leaving) // A_THREAD)]
        started = []
        for thread in threads[:MOST_THREADS]:
            try:
                thread.start()
            except RuntimeError:
                break  # No more are permitted.
            started.append(thread)
        self._close_one_by_one(self._tell_progress)
        for thread in started:
            thread.join()

    def _close_one_by_one(self, progress: Callable[[], None] = lambda: None) -> None:
        while True:
            try:
                listener = self._leaving.popleft()
            except IndexError:
                return
            listener.close()
            progress()

    def _replace(self, tables: Sequence[Echo]) -> Iterator[None]:
        """The work, step by step."""
        before = self.present
        known = {_key(listener.settings): listener for listener in before}
        wanted = [known.get(_key(table)) or self._new(self._reactor, table, len(tables)) for table in tables]
        try:
            yield from self._change(wanted)
        except Exception:
            # What is closed has forgotten all it knew; its table begins anew.
            staying = set(self.present) & set(before)
            restored = [
                one if one in staying else self._new(self._reactor, one.settings, len(before)) for one in before
            ]
            yield from self._change(restored)
            raise

    def _change(self, wanted: list[Listener]) -> Iterator[None]:
        old, staying = set(self.present), set(wanted)
        # First, for an interface takes one XDP program.
        self._leaving.extend(listener for listener in self.present if listener not in staying)
        self.present = [listener for listener in self.present if listener in staying]
        self._behind = {listener: None for listener in self._behind if listener in staying}
        while self._leaving:
            listener = self._leaving.popleft()
            memory = listener.close()
            for heir in staying - old:
                heir.inherit(listener.settings, memory)
            yield
        for listener in wanted:
            if listener in old:
                listener.retry()
            else:
                self.present.append(listener)
            listener.follow(self._links)
            yield
        self.present = wanted

    def _begin(self) -> None:
        if not self._turns:
            self._turns = True
            self._reactor.call_at(0, self._turn)

    def _turn(self) -> None:
        end = self._reactor.now() + TURN
        while self._step():
            if self._reactor.now() >= end:
                self._reactor.call_at(0, self._turn)
                if self._work:
                    self._tell_progress()
                return
        self._turns = False

    def _step(self) -> bool:
        """Do a part of what there is to do; False = nothing."""
        if self._behind:
            listener = next(iter(self._behind))
            del self._behind[listener]
            listener.follow(self._links)
            if not self._behind:
                self._followed()
            return True
        if self._work is None:
            return False
        error: Exception | None = None
        try:
            next(self._work)
        except StopIteration:
            pass
        except Exception as caught:  # noqa: BLE001, who asked for it is told
            error = caught
        else:
            return True
        self._work = None
        self._done(error)
        return True

    def _tell_progress(self) -> None:
        now = self._reactor.now()
        if now - self._told_at >= PROGRESS_EVERY:
            self._told_at = now
            systemd.extend_timeout()


def _key(table: Echo) -> str:
    return table.model_dump_json()
