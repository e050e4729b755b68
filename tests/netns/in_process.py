"""A listener inside the test's own process, on a host's interface: what the tests want to reach into."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from rawechod.config import Echo
from rawechod.echo.listener import Listener
from rawechod.link import LinkMonitor
from rawechod.reactor import Reactor
from tests.lab import Host


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
