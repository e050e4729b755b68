"""The tutorial's exchange on `lo`: our daemon and our probe against the tutorial's own programs."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab import Daemon, Host, StartDaemon, wait_for
from tests.peers.build import tutorial
from tests.peers.tap import Tap, tap

ROUNDS = 50
ENDLESS = 500_000  # a limit of last resort: a client that never hears HELLO must not run for ever
GREETING = b"hello server!"
HELLO = b"HELLO"
PAE_HEADER = bytes(12) + b"\x88\x8e"


class Variant(NamedTuple):
    """What the tutorial varies."""

    ethertype: str
    domain: str

    @property
    def flags(self) -> list[str]:
        """The C programs' options; under ETH_P_PAE there is a proper header."""
        header = ["-H"] if self.header else []
        return ["-p", self.ethertype, "-f", self.domain, *header]

    @property
    def header(self) -> bytes:
        """What stands before the text."""
        return PAE_HEADER if self.ethertype == "ETH_P_PAE" else b""

    def frame(self, text: bytes) -> bytes:
        """A frame of the exchange."""
        return self.header + text.ljust(1024, b"\0")

    def transmitted(self, ear: Tap, text: bytes) -> int:
        """How many frames with this text were sent."""
        return ear.transmitted(self.header + text)


VARIANTS = [Variant(e, d) for e in ("ETH_P_ALL", "ETH_P_PAE") for d in ("AF_PACKET", "PF_PACKET")]
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids="-".join)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's server."""
    return tutorial("server", tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's client."""
    return tutorial("client", tmp_path_factory.mktemp("client"))


@pytest.fixture
def ear(lone_host: Host) -> Iterator[Tap]:
    """An independent tap on `lo`."""
    with tap(lone_host) as made:
        yield made


@pytest.fixture
def hello(lone_host: Host, daemon: StartDaemon) -> Callable[[Variant], Daemon]:
    """Start a daemon that speaks a variant on `lo`."""

    def start(variant: Variant) -> Daemon:
        lines = ["[[echo]]", 'interface = "lo"', 'mode = "hello"', "rate_limit = 0", "peer_rate_limit = 0"]
        lines += [f'ethertype = "{variant.ethertype}"', f'domain = "{variant.domain}"']
        return daemon(lone_host, "\n".join(lines))

    return start


def converse(host: Host, program: Path, variant: Variant) -> list[str]:
    """Run the client until it prints HELLO, then interrupt it: all its lines."""
    flags = [*variant.flags, "-n", str(ENDLESS)]
    process = host.popen(str(program), *flags, stdout=subprocess.PIPE, text=True)
    output = process.stdout
    assert output is not None
    lines: list[str] = []
    for line in output:
        lines.append(line)
        if line == "Received : HELLO\n":
            break
    process.send_signal(signal.SIGINT)
    lines += output
    assert process.wait() == 0, "the client did not close cleanly"
    return [line.rstrip("\n") for line in lines]


class Serving:
    """The tutorial's server on `lo`, from when it listens."""

    def __init__(self, host: Host, program: Path, variant: Variant, directory: Path) -> None:
        self._output = directory / "output"
        already = self._sockets(host)
        with self._output.open("w") as output:
            self._process = host.popen(str(program), *variant.flags, stdout=output)
        wait_for(lambda: self._sockets(host) > already, "the server's socket")

    @staticmethod
    def _sockets(host: Host) -> int:
        return len(host.run("cat", "/proc/net/packet").stdout.splitlines())

    def interrupt(self) -> list[str]:
        """Ctrl-C: all that it has printed."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(10) == 0, "the server did not close cleanly"
        return self._output.read_text().splitlines()


@each_variant
def test_tutorial_pair_prints_its_transcript(
    lone_host: Host, server: Path, client: Path, variant: Variant, tmp_path: Path
) -> None:
    """The peers alone: the tutorial's lines on both sides, and a server that answers its own HELLOs."""
    serving = Serving(lone_host, server, variant, tmp_path)
    transcript = converse(lone_host, client, variant)
    lines = serving.interrupt()
    assert transcript[0] == "Received : hello server!"  # its own frame
    assert "Received : HELLO" in transcript
    assert transcript[-1] == lines[-1] == "Caught sigINT!"
    assert lines[:2] == ["Received: hello server!", "sending message = HELLO"]
    assert "Received: HELLO" in lines


@each_variant
def test_client_receives_hello_from_the_daemon(
    lone_host: Host, client: Path, hello: Callable[[Variant], Daemon], variant: Variant
) -> None:
    """The tutorial's client prints `Received : HELLO`, and closes on SIGINT; so does the daemon."""
    ours = hello(variant)
    transcript = converse(lone_host, client, variant)
    assert "Received : HELLO" in transcript
    assert set(transcript) <= {"Received : hello server!", "Received : HELLO", "Caught sigINT!"}
    assert transcript[-1] == "Caught sigINT!"
    ours.signal(signal.SIGINT)
    assert ours.wait() == 0


@each_variant
def test_one_hello_a_request(
    lone_host: Host, client: Path, hello: Callable[[Variant], Daemon], variant: Variant, ear: Tap
) -> None:
    """The tap sees as many HELLOs transmitted as requests, after the daemon has heard its last HELLO too."""
    ours = hello(variant)
    lone_host.run(str(client), *variant.flags, "-n", str(ROUNDS))
    wait_for(lambda: ours.listener()["dropped"].get("reply") == ROUNDS, "the daemon's own HELLOs")
    assert variant.transmitted(ear, GREETING) == ROUNDS
    assert variant.transmitted(ear, HELLO) == ROUNDS
    listener = ours.listener()
    assert listener["replied"] == ROUNDS
    assert listener["mode"] == "hello"
    assert listener["domain"] == variant.domain


@each_variant
def test_frames_that_begin_with_the_message_are_not_answered(
    lone_host: Host, hello: Callable[[Variant], Daemon], variant: Variant, ear: Tap
) -> None:
    """HELLO, and longer texts that begin with it, are dropped as replies; the next request is answered."""
    ours = hello(variant)
    texts = [HELLO, b"HELLO server!", b"HELLO\0hello server!"]
    with lone_host.raw_socket("lo") as sender:
        for text in [*texts, GREETING]:
            sender.send(variant.frame(text))
    seen = len(texts) + 1  # and the daemon's own
    wait_for(lambda: ours.listener()["dropped"].get("reply") == seen, "the replies")
    assert ours.listener()["replied"] == 1
    assert variant.transmitted(ear, HELLO) == len(texts) + 1


@each_variant
def test_probe_speaks_with_the_tutorials_server(
    lone_host: Host, daemon: StartDaemon, server: Path, variant: Variant, tmp_path: Path
) -> None:
    """`rawechoctl probe --hello` gets its HELLOs from a server that also answers itself without an end."""
    ours = daemon(lone_host, '[[echo]]\ninterface = "lo"\nethertype = "ETH_P_802_EX1"\n')
    serving = Serving(lone_host, server, variant, tmp_path)
    flags = ["--hello", "-I", "lo", "--ethertype", variant.ethertype]
    summary = ours.probe(*flags, "-c", "3", "-i", "0.1")
    lines = serving.interrupt()
    assert (summary["sent"], summary["received"], summary["lost"]) == (3, 3, 0)
    copies = 2 if variant.ethertype == "ETH_P_ALL" else 1  # as sent and as received, or the latter alone
    assert lines.count("Received: hello server!") == 3 * copies
    assert set(lines[1::2]) == {"sending message = HELLO"}
    assert lines[-1] == "Caught sigINT!"


def test_probe_hello_prints_what_the_tutorials_client_prints(
    lone_host: Host, hello: Callable[[Variant], Daemon]
) -> None:
    """Against our own daemon, as text."""
    ours = hello(VARIANTS[0])
    result = ours.ctl("probe", "--hello", "-I", "lo", "-c", "2", "-i", "0.1")
    assert result.returncode == 0, result
    assert "2 received" in result.stdout
