"""eBPF programs that are not ours, on interfaces: they let every frame pass, or tag it."""

from __future__ import annotations

import ctypes
import platform
import re
import socket
import subprocess
from pathlib import Path

import pytest

from rawechod.echo import bpf
from tests.lab import Host

BPF_TCX_EGRESS = 47
SOURCE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int pass(struct xdp_md *context) { return XDP_PASS; }
SEC("tc") int tag(struct __sk_buff *frame)
{
	bpf_skb_vlan_push(frame, __builtin_bswap16(0x8100), 7);
	return 0;
}
char _license[] SEC("license") = "GPL";
"""
VID = 7


def require_native() -> None:
    """Skip where the kernel does not tell a program the tag."""
    if tuple(map(int, re.findall(r"\d+", platform.release())[:2])) < (6, 8):
        pytest.skip("needs Linux 6.8: native XDP")


def programs(host: Host, interface: str = "eth1") -> list[str]:
    """The XDP programs on an interface."""
    return re.findall(r"prog/xdp id (\d+)", host.ip("-details", "link", "show", interface))


def attach_pass(host: Host, directory: Path, mode: str = "xdpdrv") -> None:
    """Let an XDP program pass every frame that arrives on a host's eth1; by `ip link`'s name of the mode."""
    host.ip("link", "set", "eth1", mode, "obj", str(_compiled(directory)), "sec", "xdp")


def tag_beside(host: Host, directory: Path) -> int:
    """Tag what a host sends on eth1, beside the frame as VLAN devices do, until the descriptor is closed."""
    with host.entered():
        program = bpf.Program(_compiled(directory), "tag")
        library = bpf.library()
        assert library
        ifindex = socket.if_nametoindex("eth1")
        link: int = library.bpf_link_create(program.fd, ifindex, BPF_TCX_EGRESS, ctypes.c_void_p())
    program.close()
    assert link >= 0
    return link


def _compiled(directory: Path) -> Path:
    source, target = directory / "programs.c", directory / "programs.o"
    source.write_text(SOURCE)
    include = f"-I/usr/include/{subprocess.check_output(['gcc', '-print-multiarch'], text=True).strip()}"
    subprocess.run(["clang", "-O2", "-target", "bpf", include, "-c", source, "-o", target], check=True)
    return target
