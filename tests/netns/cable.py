"""A cable with a script: two hosts, and between them one that forwards each frame, or does what the script says.

The forwarding is peers/cable.c's, which also logs each frame; here are its script, its log, and its life.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from tests.lab import MAC_A, MAC_B, Host, wait_for
from tests.peers.build import HERE, compile_c

Way = Literal["there", "back"]
WAYS: tuple[Way, Way] = ("there", "back")
"""From a to b, and from b to a."""
MTU = 65535
"""Of the cable's own two interfaces: the hosts' decide."""


@dataclass(frozen=True, slots=True)
class Action:
    """What becomes of a frame. Times in nanoseconds."""

    copies: int = 1
    """0 = it is dropped."""
    gap: int = 0
    """Between two copies."""
    delay: int = 0
    """What follows meanwhile overtakes it."""
    behind: int = 0
    """It goes on after so many of those that follow it."""
    xor: tuple[int, int] | None = None
    """Alter the octet at this offset by this mask."""
    mask: tuple[int, int] | None = None
    """Keep of the octet at this offset only these bits."""
    cut: tuple[int, int] | None = None
    """From this offset on so many octets are missing."""

    def __str__(self) -> str:
        """As the script has it."""
        words = [f"{name} {value}" for name in ("gap", "delay", "behind") if (value := getattr(self, name))]
        words += [f"xor {self.xor[0]} {self.xor[1]:02x}"] if self.xor else []
        words += [f"and {self.mask[0]} {self.mask[1]:02x}"] if self.mask else []
        words += [f"cut {self.cut[0]} {self.cut[1]}"] if self.cut else []
        return " ".join([f"copies {self.copies}", *words])


PASS, DROP = Action(), Action(copies=0)


class Octets(NamedTuple):
    """All frames that have these octets at this offset, tags included."""

    offset: int
    octets: bytes

    def __str__(self) -> str:
        return f"octets {self.offset} {self.octets.hex()}"


class Longer(NamedTuple):
    """All frames of more than so many octets, without FCS."""

    length: int

    def __str__(self) -> str:
        return f"longer {self.length}"


@dataclass(frozen=True)
class Script:
    """What one direction does: for single frames, counted from 1; else for those that match; else for the rest."""

    frames: Mapping[int, Action] = field(default_factory=dict)
    matching: Mapping[Octets | Longer, Action] = field(default_factory=dict)
    rest: Action = PASS

    def text(self, way: Way) -> str:
        """As cable.c reads it."""
        lines = [f"{way} {which} {action}\n" for which, action in [*self.frames.items(), *self.matching.items()]]
        return "".join([*lines, f"{way} rest {self.rest}\n"])


CLEAN = Script()


def each(action: Action, *numbers: int) -> Script:
    """The same for the frames with these numbers."""
    return Script(dict.fromkeys(numbers, action))


def losing(*numbers: int) -> Script:
    """Frames with these numbers do not arrive."""
    return each(DROP, *numbers)


@dataclass(frozen=True, slots=True)
class Passage:
    """A copy of a frame that went on, or a frame that did not. Times in nanoseconds since the epoch."""

    way: Way
    number: int
    """Of the frame, from 1 in its direction; its copies share it."""
    copy: int
    received_at: int
    """By the kernel's stamp."""
    sent_at: int
    """Right before; 0 = it did not go on."""
    dropped: bool
    """By the script. Else what did not go on was refused by the kernel, or still waited at the end."""
    error: int
    """The errno with which the kernel refused it."""
    op: int
    """This and what follows as it came in; 0 = that was no Echo PDU."""
    session: int
    seq: int
    t1: int
    payload_came: int
    """A hash of what is behind the PDU."""
    payload_left: int
    length: int
    """Octets, as it left; as it came in where it did not."""
    head: bytes
    """Its first octets, likewise."""


_RECORD = struct.Struct("=QQQIIIIIIHHBBBB72s")
"""struct record in cable.c."""


def _read(log: Path) -> list[Passage]:
    passages = []
    for record in _RECORD.iter_unpack(log.read_bytes()):
        received_at, sent_at, t1, session, seq, came, left, number, length, copy, error, *rest = record
        way, op, dropped, head_length, head = rest
        passages.append(
            Passage(
                WAYS[way], number, copy, received_at, sent_at, bool(dropped), error,
                op, session, seq, t1, came, left, length, head[:head_length],
            )
        )  # fmt: skip
    return passages


@dataclass(frozen=True, slots=True)
class Account:
    """What the cable says of one direction at its end."""

    received: int
    sent: int
    refused: int
    """By the kernel."""
    held: int
    """Copies whose time had not come."""
    lost: int
    """Frames that its receive buffer dropped: it did not do what its script says."""


class Inconclusive(AssertionError):
    """The cable lost frames of its own."""


class Forwarding:
    """The program at work; `finish` ends it, and gives its log."""

    def __init__(self, host: Host, there: Script, back: Script) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="rawecho-cable-"))
        self._log = self._directory / "log"
        script = self._directory / "script"
        script.write_text(there.text("there") + back.text("back"))
        command = [str(program()), "near", "far", str(script), str(self._log)]
        self._process = host.popen(*command, stdout=subprocess.PIPE, text=True)
        self.accounts: dict[str, Account] = {}
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def finish(self) -> list[Passage]:
        """All frames, in the order in which they went on; raises Inconclusive where it lost some itself."""
        self._process.send_signal(signal.SIGTERM)
        output, _ = self._process.communicate(timeout=30)
        assert self._process.returncode == 0
        for line in output.splitlines():
            way, *fields = line.split()
            self.accounts[way] = Account(*map(int, fields[1::2]))
        passages = _read(self._log)
        self.close()
        if any(account.lost for account in self.accounts.values()):
            raise Inconclusive(f"the cable itself lost frames: {self.accounts}")
        return passages

    def close(self) -> None:
        """End it if it still runs, and take its files away."""
        with self._process:
            self._process.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


@functools.cache
def program() -> Path:
    """cable.c, compiled once."""
    directory = Path(tempfile.mkdtemp(prefix="rawecho-cable-"))
    atexit.register(shutil.rmtree, directory)
    return compile_c([HERE / "cable.c"], directory / "cable")


class Cable:
    """Host a's `eth1` at one end, host b's at the other. Nothing passes but while a `Forwarding` is at work."""

    def __init__(self) -> None:
        self.a, self.middle, self.b = Host("a"), Host("middle"), Host("b")
        for host, port, mac in ((self.a, "near", MAC_A), (self.b, "far", MAC_B)):
            self._lay(host, port, mac)

    def _lay(self, host: Host, port: str, mac: str) -> None:
        near = ["name", "eth1", "address", mac, "netns", host.name]
        far = ["name", port, "mtu", str(MTU), "netns", self.middle.name]
        subprocess.run(["ip", "link", "add", *near, "type", "veth", "peer", *far], check=True)
        host.ip("link", "set", "eth1", "up")
        self.middle.ip("link", "set", port, "up")
        wait_for(lambda: host.link("eth1")["operstate"] == "UP", f"{host} up")

    @contextlib.contextmanager
    def forwarding(self, there: Script = CLEAN, back: Script = CLEAN) -> Iterator[Forwarding]:
        """Forward by these scripts while the block runs; frames are counted from its beginning."""
        made = Forwarding(self.middle, there, back)
        try:
            yield made
        finally:
            made.close()

    def close(self) -> None:
        """Take it down."""
        for host in (self.a, self.b, self.middle):
            host.close()


class Running(NamedTuple):
    """A cable that forwards."""

    a: Host
    middle: Host
    b: Host
    forwarding: Forwarding


@contextlib.contextmanager
def cable(there: Script = CLEAN, back: Script = CLEAN) -> Iterator[Running]:
    """A cable with these scripts for the length of a block."""
    with contextlib.closing(Cable()) as made, made.forwarding(there, back) as forwarding:
        yield Running(made.a, made.middle, made.b, forwarding)
