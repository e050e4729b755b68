"""How long root waits for its status while others ask for all they can: strangers that pipeline GetPeers.

Rounds alone and in the crowd take turns; the figures are medians and the worst.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.control.talk import CONTROL, STRANGER, connect
from tests.lab import Daemon, Host, join, wait_for
from tests.netns.frames import request
from tests.netns.port import port

CONFIG = '[[echo]]\ninterface = "eth1"\nengine = "epoll"\nrate_limit = 0\n'
PEERS = 2000
SAMPLES = 10
CALL = json.dumps({"method": f"{CONTROL}.GetPeers", "parameters": {"most": 1000}}).encode() + b"\0"
PIPELINED = 16


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds from connect to the reply."""

    connections: int
    median_ms: float
    worst_ms: float


def crowd(path: str, uid: int, count: int) -> None:
    """As that user: ask for all peers on so many connections, read, and ask again, until killed."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            client.sendall(CALL * PIPELINED)
            selector.register(client, selectors.EVENT_READ)
        print("asking", flush=True)
        while True:
            for key, _ in selector.select():
                client = key.fileobj  # type: ignore[assignment]
                if replies := client.recv(1 << 20).count(b"\0"):
                    client.sendall(CALL * replies)


@contextlib.contextmanager
def crowded(control: Path, connections: int) -> Iterator[None]:
    """So many of them, 108 a user."""
    with contextlib.ExitStack() as stack:
        for number in range(connections // 108):
            command = [sys.executable, "-m", "bench.crowd", "--crowd", str(control), str(STRANGER + number)]
            child = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(child.kill)
            assert child.stdout
            wait_for(child.stdout.readline, "the crowd", timeout=60)
        yield


def waits(control: Path) -> list[float]:
    """Milliseconds that root waits, so many times."""
    found = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        with connect(control) as talk:
            talk.call("GetStatus")
        found.append((time.perf_counter() - began) * 1000)
    return found


def fill(host: Host, daemon: Daemon) -> None:
    """Have the listener know so many peers."""
    with port(host) as near:
        for number in range(PEERS):
            near.send(request(src=f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"))
    wait_for(lambda: daemon.objects("peers")[0]["known"] >= PEERS * 0.9, "the peers")


def measure(rounds: int) -> list[Result]:
    """Alone, among one user's connections, and among those of four."""
    found: dict[int, list[float]] = {0: [], 108: [], 432: []}
    with contextlib.closing(Host("near")) as near, contextlib.closing(Host("far")) as far:
        join(near, far)
        with contextlib.closing(Daemon(far, CONFIG)) as daemon:
            daemon.wait_ready()
            fill(near, daemon)
            for connections, times in [*found.items()] * rounds:
                with crowded(daemon.control, connections):
                    times.extend(waits(daemon.control))
    return [
        Result(connections, round(statistics.median(times), 1), round(max(times), 1))
        for connections, times in found.items()
    ]


def main(argv: Sequence[str]) -> int:
    """Start a daemon, measure, print."""
    parser = argparse.ArgumentParser(prog="bench.crowd", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--crowd", nargs=2, metavar=("PATH", "UID"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.crowd:
        crowd(arguments.crowd[0], int(arguments.crowd[1]), 108)
    results = measure(arguments.rounds)
    for one in results:
        print(
            f"{one.connections:4} connections of others  {one.median_ms:9.1f} ms, at worst {one.worst_ms:9.1f} ms"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
