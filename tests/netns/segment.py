"""Several hosts on one Ethernet: a bridge in a host of its own, a cable to each."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

from tests.lab import Host, wait_for

QUIET = ("stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
"""A bridge that forwards at once and sends nothing by itself."""


class Segment:
    """A switch. Each host has `eth1`, with the MAC 02:00:00:00:01:01, :02 and so on."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.switch = Host("switch")
        self.switch.ip("link", "add", "br0", "type", "bridge", *QUIET)
        self.switch.ip("link", "set", "br0", "up")
        self.hosts = [self._host(label, number) for number, label in enumerate(labels, start=1)]

    def _host(self, label: str, number: int) -> Host:
        host, port = Host(label), f"port{number}"
        near = ["name", "eth1", "address", self.mac(number - 1), "netns", host.name]
        far = ["name", port, "netns", self.switch.name]
        subprocess.run(["ip", "link", "add", *near, "type", "veth", "peer", *far], check=True)
        self.switch.ip("link", "set", port, "master", "br0", "up")
        host.ip("link", "set", "eth1", "up")
        wait_for(lambda: host.link("eth1")["operstate"] == "UP", f"{host} up")
        wait_for(lambda: self._forwards(port), f"{port} forwarding")
        return host

    def _forwards(self, port: str) -> bool:
        return bool(self.switch.link(port)["linkinfo"]["info_slave_data"]["state"] == "forwarding")

    @staticmethod
    def mac(index: int) -> str:
        """The MAC of the host with this index."""
        return f"02:00:00:00:01:{index + 1:02x}"

    def close(self) -> None:
        """Take all of it down."""
        for host in [*self.hosts, self.switch]:
            host.close()


@contextlib.contextmanager
def segment(*labels: str) -> Iterator[Segment]:
    """A segment for the length of a block."""
    made = Segment(labels)
    try:
        yield made
    finally:
        made.close()
