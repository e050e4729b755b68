"""Wireshark's dissector on what real daemons send each other."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests import tshark
from tests.lab import MAC_B, Host, StartDaemon, wait_for

CONFIG = '[echo]\ninterface = "eth1"\nengine = "epoll"\n'
PROBES = (
    ("--ethertype", "ETH_P_802_EX1"),
    ("--ethertype", "ETH_P_PAE", "--size", "200"),
    ("--ethertype", "0x9999"),
    ("--ethertype", "ETH_P_802_EX1", "--vlan", "7"),
)
COUNT = 2
NAMES = ("rawecho.seq", "rawecho.residence", "rawecho.reply_to")


def capture(host: Host, path: Path, frames: int) -> subprocess.Popen[Any]:
    """dumpcap, which has begun to capture and ends after so many frames."""
    log = path.with_suffix(".log")
    command = ["dumpcap", "-q", "-i", "eth1", "-c", str(frames), "-w", str(path)]
    with log.open("wb") as stderr:
        process = host.popen(*command, stderr=stderr)
    wait_for(lambda: "File:" in log.read_text(), "the capture's file")
    return process


def test_captured_frames(two_hosts: tuple[Host, Host], daemon: StartDaemon, tmp_path: Path) -> None:
    """Every frame of probes under several EtherTypes is ours, and tells what the prober told."""
    tshark.need()
    prober, _ = (daemon(host, CONFIG) for host in two_hosts)
    path = tmp_path / "frames.pcapng"
    process = capture(two_hosts[0], path, 2 * COUNT * len(PROBES))
    replies = []
    for options in PROBES:
        events = prober.objects("probe", MAC_B, "-c", str(COUNT), "-i", "10ms", "-W", "10s", *options)
        assert events[-1]["received"] == COUNT
        replies += [event for event in events if event["event"] == "reply"]
    assert process.wait(30) == 0

    shown = tshark.fields(path, NAMES, "rawecho.op == 2")
    told = [[str(each["seq"]), f"{each['residence_ns'] / 1e9:.9f}"] for each in replies]
    assert [row[:2] for row in shown] == told
    assert [row[2] for row in shown] == [
        row[0] for row in tshark.fields(path, ["frame.number"], "rawecho.op == 1")
    ]
    in_order = "rawecho.t1 <= rawecho.t2 and rawecho.rtt > rawecho.residence and rawecho.window & 1"
    assert len(tshark.fields(path, ["frame.number"], in_order)) == len(told)
