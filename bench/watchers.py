"""So many control clients on one socket, each asking for the counters once a second, until killed."""

import json
import socket
import sys
import time

REQUEST = json.dumps({"method": "io.rawecho.Control.GetCounters"}).encode() + b"\0"
PERIOD_S = 1.0


def _connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(path)
    return client


def _ask(client: socket.socket) -> None:
    client.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"\0"):
        answer += client.recv(65536)
    assert "parameters" in json.loads(answer[:-1]), answer


def main(path: str, count: int) -> None:
    """Connect, have an answer each, say so, go on."""
    clients = [_connect(path) for _ in range(count)]
    for client in clients:
        _ask(client)
    print("watching", flush=True)
    while True:
        for client in clients:
            _ask(client)
            time.sleep(PERIOD_S / count)


main(sys.argv[1], int(sys.argv[2]))
