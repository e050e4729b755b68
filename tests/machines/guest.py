"""A virtual machine under QEMU: another kernel than ours, real drivers, two NICs with a cable between them.

Nothing of it is networked: commands reach it through a serial port of its own (agent.py), and the cable is QEMU's.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.packages import system

NEAR, FAR = "52:54:00:00:00:0a", "52:54:00:00:00:0b"
BOOT = 600
"""Seconds that a boot may take: emulated, on a machine that does other things, it takes some minutes."""
KVM_BOOT = 60
EMULATED = ["-accel", "tcg,thread=multi", "-cpu", "max"]
KVM = ["-accel", "kvm", "-cpu", "host"]
KERNEL = "root=/dev/vda rw console=ttyS0 quiet panic=-1 modprobe.blacklist=iTCO_wdt,powernow_k8,kvm_amd"
"""Its command line. Not the quicker mitigations=off: the verifier would let pass what it refuses elsewhere."""

SETUP = f"""
mkdir -p /run/lab
device() {{ grep -l "$1" /sys/class/net/*/address | cut -d/ -f5; }}
for _ in $(seq 600); do [ -n "$(device {NEAR})" ] && [ -n "$(device {FAR})" ] && break; sleep 0.2; done
udevadm settle
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
near=$(device {NEAR}) far=$(device {FAR})
ip link set $near down name near && ip link set near up
ip netns add far
ip link set $far down name far netns far && ip -n far link set far up
for _ in $(seq 300); do [ "$(cat /sys/class/net/near/carrier 2>/dev/null)" = 1 ] && exit; sleep 0.1; done
ip link; ip -n far link; exit 1
"""
"""`near` stays where the service is, `far` gets a network namespace of its own."""


class NoBootError(Exception):
    """The machine did not come up."""


def missing() -> str:
    """What this machine lacks to run others, empty where it lacks nothing."""
    if os.uname().machine != "x86_64":
        return "an x86-64 machine: the virtual ones are"
    programs = ("qemu-system-x86_64", "mke2fs", "mmdebstrap")
    return ", ".join(program for program in programs if not shutil.which(program))


def nics() -> str:
    """QEMU's list of them."""
    command = ["qemu-system-x86_64", "-device", "help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def cable(model: str, options: str = "") -> list[str]:
    """QEMU's words for two NICs of a model that are joined; each on a bus of its own, as igb wants it."""
    words = []
    for number, (name, mac) in enumerate((("near", NEAR), ("far", FAR)), 1):
        words += ["-device", f"pcie-root-port,id=port-{name},chassis={number}"]
        words += ["-netdev", f"hubport,id=net-{name},hubid=1"]
        device = f"{model},netdev=net-{name},mac={mac},id={name},bus=port-{name},romfile="
        words += ["-device", f"{device},{options}" if options else device]
    return words


class Guest:
    """A booted machine of a Debian release; what it writes is lost with it."""

    kvm_works = os.access("/dev/kvm", os.R_OK | os.W_OK)
    """As far as we know: nested it may refuse, or hang."""

    def __init__(self, release: str, package: Path, nics: Sequence[str]) -> None:
        """With KVM where that works, else emulated. Raises NoBootError."""
        self._files, self._package, self._nics = system.root(release, "machine"), package, list(nics)
        if Guest.kvm_works:
            try:
                self._boot(KVM, KVM_BOOT)
                return
            except NoBootError:
                Guest.kvm_works = False
        self._boot(EMULATED, BOOT)

    def _boot(self, accelerator: list[str], patience: int) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="rawecho-machine-"))
        self._log = self._directory / "log"
        words = [*accelerator, "-smp", "2", "-m", "1024", "-M", "q35", "-nodefaults", "-display", "none"]
        words += ["-serial", f"file:{self._directory}/console", "-kernel", f"{self._files}/vmlinuz"]
        words += ["-initrd", f"{self._files}/initrd", "-append", KERNEL]
        disk = f"file={self._files}/disk.ext4,if=none,id=disk,format=raw,snapshot=on"
        words += ["-drive", disk, "-device", "virtio-blk-pci,drive=disk"]
        words += ["-drive", f"file={self._package},if=none,id=package,format=raw,readonly=on"]
        words += ["-device", "virtio-blk-pci,drive=package"]
        words += ["-qmp", f"unix:{self._directory}/monitor,server=on,wait=off"]
        words += ["-chardev", f"socket,id=agent,path={self._directory}/agent,server=on,wait=off"]
        words += ["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                ["qemu-system-x86_64", *words, *self._nics],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"TMPDIR": str(self._directory)},  # of the disk's snapshot
            )
        began = time.monotonic()
        try:
            self._agent = self._connect("agent")
            self._monitor = self._connect("monitor")
            self.kernel: str = json.loads(self._agent.read(patience))["kernel"]
        except (OSError, NoBootError) as error:
            said = self.said
            self.close()
            raise NoBootError(f"no boot in {patience} s ({error}): {said}") from error
        self.boot_s = time.monotonic() - began
        self.qmp("qmp_capabilities")

    @property
    def said(self) -> str:
        """What QEMU and the console said last."""
        files = (self._log, self._directory / "console")
        return "\n".join(file.read_text(errors="replace")[-4000:] for file in files if file.exists())

    def _connect(self, name: str) -> _Lines:
        deadline = time.monotonic() + 20
        while True:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(str(self._directory / name))
                return _Lines(sock)
            except OSError:
                sock.close()
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def run(self, command: str, timeout: float = 120, *, check: bool = True) -> str:
        """What a shell command says inside, both its outputs."""
        self._agent.write(json.dumps({"command": command, "timeout": timeout}).encode())
        said = json.loads(self._agent.read(timeout + 60))
        if check and said["status"]:
            raise AssertionError(f"{command!r} ended with {said['status']}:\n{said['output']}")
        return str(said["output"])

    def install(self) -> None:
        """The package, with `dpkg --install`."""
        self.run(f"head -c {self._package.stat().st_size} /dev/vdb >/tmp/rawecho.deb")
        self.run("DEBIAN_FRONTEND=noninteractive dpkg --install /tmp/rawecho.deb", 600)

    def qmp(self, command: str, **arguments: Any) -> dict[str, Any]:
        """QEMU's answer to a command of its monitor; `set_link` is the cable."""
        self._monitor.write(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            said: dict[str, Any] = json.loads(self._monitor.read(60))
            if "return" in said or "error" in said:
                return said

    def close(self) -> None:
        """End it, and remove what it wrote."""
        self._process.kill()
        self._process.wait()
        for lines in (getattr(self, "_agent", None), getattr(self, "_monitor", None)):
            if lines:
                lines.close()
        shutil.rmtree(self._directory)


class _Lines:
    """Lines to and from a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._unread = b""

    def write(self, line: bytes) -> None:
        """Send one."""
        self._socket.sendall(line + b"\n")

    def read(self, patience: float) -> bytes:
        """The next one; raises OSError, NoBootError where there will be none."""
        deadline = time.monotonic() + patience
        while b"\n" not in self._unread:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.01))
            data = self._socket.recv(65536)
            if not data:
                raise NoBootError("QEMU has ended")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
