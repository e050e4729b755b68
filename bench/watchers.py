"""So many control clients on one socket, each watching at the pace of one look a second, until killed."""

import json
import selectors
import socket
import sys

REQUEST = json.dumps({"method": "io.rawecho.Control.Watch", "more": True}).encode() + b"\0"


def _watch(path: str) -> socket.socket:
    """A client that has had its first look."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(path)
    client.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"\0"):
        answer += client.recv(65536)
    assert "parameters" in json.loads(answer[:-1]), answer
    return client


def main(path: str, count: int) -> None:
    """Have so many, say so, read what comes."""
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            selector.register(_watch(path), selectors.EVENT_READ)
        print("watching", flush=True)
        while True:
            for key, _ in selector.select():
                key.fileobj.recv(65536)  # type: ignore[union-attr]


main(sys.argv[1], int(sys.argv[2]))
