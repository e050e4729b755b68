"""The test laboratory: hosts made of network namespaces, and daemons that run in them."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = Path(__file__).resolve().parent.parent
ETH_P_ALL = 0x0003
MAC_A = "02:00:00:00:00:0a"
MAC_B = "02:00:00:00:00:0b"
CLONE_NEWNET = 0x40000000
# What a daemon must not inherit from a test run that is itself under systemd.
FOREIGN = ["INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"]
FOREIGN += ["NOTIFY_SOCKET", "RAWECHO_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"]

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


def wait_for(condition: Callable[[], T], what: str, timeout: float = 10) -> T:
    """Poll `condition` until it is true and return what it said; never true: tell its last value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}; last value: {value!r}")
        time.sleep(0.01)
    return value


def _enter(namespace: int) -> None:
    """setns(2), which the os module has only since Python 3.12."""
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Host:
    """A network namespace with a name of its own, `lo` up and IPv6 off (it sends frames unasked)."""

    def __init__(self, label: str = "host") -> None:
        self.name = f"rawecho-{label}-{secrets.token_hex(4)}"
        self._children: list[subprocess.Popen[Any]] = []
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        with self.entered():
            for scope in ("all", "default"):
                knob = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
                if knob.exists():
                    knob.write_text("1")
        self.ip("link", "set", "lo", "up")

    def __repr__(self) -> str:
        return f"Host({self.name})"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and no other, is in the host's network while the block runs."""
        with Path("/proc/thread-self/ns/net").open() as home, Path("/run/netns", self.name).open() as away:
            _enter(away.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def run(self, *command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the host to its end; a failure is an error unless `check=False`."""
        options = {"text": True, "capture_output": True, "timeout": 60} | options
        return subprocess.run(self._inside(*command), check=check, **options)

    def ip(self, *arguments: str) -> str:
        """What `ip ARGUMENTS` prints in the host."""
        command = ["ip", "-netns", self.name, *arguments]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a command in the host; its pid is the command's own. It dies with the host."""
        child = subprocess.Popen(self._inside(*command), **options)
        self._children.append(child)
        return child

    def _inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def raw_socket(self, interface: str, protocol: int = ETH_P_ALL) -> socket.socket:
        """An AF_PACKET socket on the host's interface, which hears `protocol` and nothing before."""
        with self.entered():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            try:
                raw.bind((interface, protocol))
            except OSError:
                raw.close()
                raise
        raw.settimeout(10)
        return raw

    def link(self, interface: str) -> dict[str, Any]:
        """What the kernel says of an interface, as `ip -json -details link show`."""
        found = json.loads(self.ip("-json", "-details", "link", "show", interface))
        return dict(found[0])

    def mac(self, interface: str) -> str:
        """The interface's MAC address, in lower case with colons."""
        return str(self.link(interface)["address"])

    def close(self) -> None:
        """End what still runs in the host, and the host."""
        for child in self._children:
            with child:
                child.kill()
        subprocess.run(["ip", "netns", "del", self.name], check=True)


def join(a: Host, b: Host, interface: str = "eth1", macs: Sequence[str] = (MAC_A, MAC_B)) -> None:
    """Lay a cable between two hosts: a veth pair with the same name at both ends, up."""
    near = ["name", interface, "address", macs[0], "netns", a.name]
    far = ["name", interface, "address", macs[1], "netns", b.name]
    subprocess.run(["ip", "link", "add", *near, "type", "veth", "peer", *far], check=True)
    for host in (a, b):
        host.ip("link", "set", interface, "up")
    for host in (a, b):
        _wait_up(host, interface)


def _wait_up(host: Host, interface: str) -> None:
    wait_for(lambda: host.link(interface)["operstate"] == "UP", f"{interface} up")


class NotifySocket:
    """The far end of sd_notify: keeps every line that a daemon sends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        # A thread, because a full queue (10 datagrams by default) would hold the daemon up.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while message := self._socket.recv(4096):
            self.lines += message.decode().splitlines()

    def close(self) -> None:
        """Stop reading: an empty datagram, which no daemon sends, ends the thread."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.path))
        self._reader.join()
        self._socket.close()


class Daemon:
    """A `rawechod` in a host, with a configuration and a control socket of its own."""

    def __init__(
        self,
        host: Host,
        config: str = "",
        *arguments: str,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.host = host
        # Not in tmp_path: other users must reach the socket, and its path must stay short.
        self.directory = Path(tempfile.mkdtemp(prefix="rawecho-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.config = self.directory / "config.toml"
        self.control = self.directory / "control.sock"
        self.config.write_text(config)
        self.notify = NotifySocket(self.directory / "notify.sock")
        self._environment = environment or {}
        self._arguments = arguments
        self.process = self._launch()

    def _launch(self) -> subprocess.Popen[Any]:
        inherited = {key: value for key, value in os.environ.items() if key not in FOREIGN}
        own = {"NOTIFY_SOCKET": str(self.notify.path), "PYTHONUNBUFFERED": "1"}
        given = self._arguments or ("--config", str(self.config))
        with (self.directory / "stderr").open("a") as stderr:
            return self.host.popen(
                *(sys.executable, "-m", "rawechod", *given, "--control", str(self.control)),
                cwd=REPOSITORY,
                env=inherited | own | self._environment,
                stderr=stderr,
            )

    def wait_ready(self) -> None:
        """Wait until the daemon says READY; if it ends instead, tell what it said."""
        wait_for(lambda: self.notified("READY=1") or self._exited(), "READY=1", timeout=30)

    def restart(self) -> None:
        """Start the program again after `stop` or `kill`, and wait until it is ready."""
        self.notify.lines.clear()
        self.process = self._launch()
        self.wait_ready()

    def _exited(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"rawechod ended with {self.process.returncode}:\n{self.stderr}")
        return False

    @property
    def stderr(self) -> str:
        """All that the daemon has written to its standard error so far."""
        return (self.directory / "stderr").read_text()

    def notified(self, line: str) -> bool:
        """Whether the daemon has sent this line to the service manager since it was started."""
        return line in self.notify.lines

    def ctl(
        self, *arguments: str, uid: int = 0, groups: Sequence[int] = (), timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run `rawechoctl` against this daemon, as root or as the user `uid` in `groups`."""
        command = [*as_user(uid, groups), *self._ctl(*arguments)]
        return subprocess.run(
            command, text=True, capture_output=True, timeout=timeout, cwd=REPOSITORY, check=False
        )

    def ctl_popen(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `rawechoctl` and leave it running, its output in pipes."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self._ctl(*arguments), text=True, stdout=pipe, stderr=pipe, cwd=REPOSITORY)

    def _ctl(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "rawechoctl", "--socket", str(self.control), *arguments]

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command prints with `--json=short`: an object a line. No reply is an answer too."""
        result = self.ctl("--json=short", *arguments)
        assert result.returncode in (0, 1), result
        return [json.loads(line) for line in result.stdout.splitlines()]

    def status(self) -> dict[str, Any]:
        """`rawechoctl status`, parsed."""
        return self.objects("status")[0]

    def listener(self, index: int = 0) -> dict[str, Any]:
        """One listener of `status`."""
        return dict(self.status()["listeners"][index])

    def probe(self, *arguments: str) -> dict[str, Any]:
        """The summary of a probe with these arguments."""
        return self.objects("probe", *arguments)[-1]

    def reload(self, config: str) -> subprocess.CompletedProcess[str]:
        """Write another configuration and ask for it."""
        self.config.write_text(config)
        return self.ctl("reload")

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """The exit status of a daemon that ends by itself."""
        return self.process.wait(timeout)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the daemon if it still runs, and take its files away."""
        self.kill()
        self.notify.close()
        shutil.rmtree(self.directory)


StartDaemon = Callable[..., Daemon]


def as_user(uid: int, groups: Sequence[int]) -> list[str]:
    """A prefix that runs a command as another user, who may still read a checkout under /root."""
    if not uid:
        return []
    joined = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    reading = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", *joined, *reading, "--"]
