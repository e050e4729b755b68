"""A listener or a prober inside the test's own process, on a host's interface: what tests want to reach into."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from rawechod import config
from rawechod.config import Echo
from rawechod.echo.listener import Listener
from rawechod.link import LinkMonitor
from rawechod.packet.hardware import Switch
from rawechod.probe.events import ProbeEvent
from rawechod.probe.job import Outcome
from rawechod.probe.prober import Prober, Wish
from rawechod.reactor import Reactor
from tests.lab import Host
from tests.unit.nic import Nic

PATIENCE, POLL = 20_000_000_000, 1_000_000


@contextlib.contextmanager
def listening(host: Host, **settings: Any) -> Iterator[Listener]:
    """A listener whose loop runs in a thread while the block lasts."""
    with host.entered():
        reactor = Reactor()
        links = LinkMonitor(lambda: listener.follow(links))
        listener = Listener(reactor, Echo.model_validate({"interface": "eth1"} | settings))
        listener.follow(links)
    reactor.register(links.fileno(), links.read)
    told, tell = os.pipe()
    reactor.register(told, lambda _events: reactor.stop())
    thread = threading.Thread(target=_run, args=(reactor, host))
    thread.start()
    try:
        yield listener
    finally:
        os.write(tell, b"\0")
        thread.join()
        listener.close()
        links.close()
        reactor.close()
        os.close(told)
        os.close(tell)


def _run(reactor: Reactor, host: Host) -> None:
    with host.entered():
        reactor.run()


class Here:
    """A prober in the test's own process, on host a's end of a cable, behind a stand-in for its NIC."""

    def __init__(self, nic: Nic) -> None:
        self.events: list[ProbeEvent] = []
        self.ended: list[Outcome] = []
        self.nic = nic
        self.reactor = Reactor()
        self.links = LinkMonitor(lambda: None)
        settings = config.parse({"probe": {"interface": "eth1"}}, "test")
        self.prober = Prober(self.reactor, self.links, settings, Switch(nic.ioctl))

    def start(self, **wish: Any) -> None:
        """Start a probe; None = nothing is asked for."""
        asked = {name: value for name, value in wish.items() if value is not None}
        self.prober.start(Wish(**asked), self.events.append, self._end)

    def run_until(self, holds: Callable[[], object]) -> None:
        """Run the loop until this holds."""
        deadline = self.reactor.now() + PATIENCE

        def look() -> None:
            assert self.reactor.now() < deadline, "it never holds"
            if holds():
                self.reactor.stop()
            else:
                self.reactor.call_at(self.reactor.now() + POLL, look)

        look()
        self.reactor.run()

    def run_to_end(self) -> None:
        """Run the loop until all probes have ended."""
        if self.prober.jobs:
            self.reactor.run()

    def _end(self, outcome: Outcome) -> None:
        self.ended.append(outcome)
        if not self.prober.jobs:
            self.reactor.stop()

    def close(self) -> None:
        """Give everything back."""
        self.links.close()
        self.reactor.close()


@contextlib.contextmanager
def probing(host: Host) -> Iterator[Here]:
    """One in this host."""
    with host.entered():
        here = Here(Nic())
        try:
            yield here
        finally:
            here.prober.stop_all()
            here.close()
