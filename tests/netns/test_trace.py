"""What became of each frame: live, with every engine, and out of a capture."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import tshark
from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon
from tests.netns.client import Probing
from tests.netns.conftest import ENGINES, Responder, table
from tests.netns.frames import (
    BROADCAST,
    DOT1AD,
    PAE,
    PAE_GROUP,
    REPLY,
    ZERO,
    Pdu,
    Tag,
    eapol,
    header,
    parse,
    request,
)
from tests.netns.port import Port

OTHER = "02:00:00:00:00:99"
CASES = {
    "replied": [
        request(),
        request(ethertype=PAE),
        request(dst=BROADCAST),
        request(dst=PAE_GROUP, ethertype=PAE),
        request(tags=(Tag(100, 5),)),
        request(tags=(Tag(0),)),
        request(tags=(Tag(200, 1, tpid=DOT1AD), Tag(100, 5))),
        request(size=1514),
    ],
    "too_short": [header() + b"RE" + bytes(20)],
    "bad_length": [header(ethertype=PAE) + eapol(request()[14:], length=999)],
    "bad_version": [request(pdu=Pdu(version=1))],
    "bad_op": [request(pdu=Pdu(op=7))],
    "reply": [request(dst=OTHER, pdu=Pdu(op=REPLY))],
    "probe_reply": [request(pdu=Pdu(op=REPLY))],
    "own_frame": [request(src=MAC_B)],
    "bad_source": [request(src=ZERO), request(src=BROADCAST)],
    "not_for_us": [request(dst=OTHER)],
}
FRAMES = [frame for frames in CASES.values() for frame in frames]
OUTCOMES = [outcome for outcome, frames in CASES.items() for _ in frames]


class Tracing:
    """A `rawechoctl trace` under way."""

    def __init__(self, daemon: Daemon, *arguments: str) -> None:
        self.process = daemon.ctl_popen("--json=short", "trace", *arguments)
        assert self.process.stdout
        self.start: dict[str, Any] = json.loads(self.process.stdout.readline())

    def end(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Ctrl-C: its frames, and what it says at the end."""
        self.process.send_signal(signal.SIGINT)
        output, errors = self.process.communicate(timeout=20)
        assert (self.process.returncode, errors) == (0, "")
        *frames, end = [json.loads(line) for line in output.splitlines()]
        return frames, end


@contextmanager
def tracing(daemon: Daemon, *arguments: str) -> Iterator[Tracing]:
    """For the length of a block."""
    made = Tracing(daemon, *arguments)
    with made.process:
        yield made
        made.process.kill()


def outcomes(frames: list[dict[str, Any]]) -> list[str]:
    """What became of each."""
    return [frame["reason"] or frame["decision"] for frame in frames]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_frame_is_told(responder: Responder, near: Port, engine: str) -> None:
    """With its outcome, as the counters have it, and answered as without a trace.

    In order, but for the frames that the kernel engine's program leaves to the socket.
    """
    server = responder()
    with tracing(server) as trace:
        assert trace.start == {"event": "start", "interfaces": ["eth1"]}
        assert len(near.answers(*FRAMES)) == len(CASES["replied"])
        *frames, last = trace.end()[0]
    told = outcomes([*frames, last])
    if engine == "epoll":
        assert told == [*OUTCOMES, "replied"]  # the request that `answers` ends with
    assert Counter(told) == Counter([*OUTCOMES, "replied"])
    counters = server.listener()
    assert counters["received"] + counters["probe_replies"] == len(FRAMES) + 1
    assert counters["replied"] == len(CASES["replied"]) + 1
    others = ("replied", "probe_reply")
    assert counters["dropped"] == {name: len(frames) for name, frames in CASES.items() if name not in others}


def test_watching_changes_nothing(responder: Responder, near: Port) -> None:
    """A trace that begins and ends amid a session: its count, its window and its peer's limit go on."""
    server = responder(peer_rate_limit=1)

    def ask(first: int) -> list[tuple[int, int]]:
        pdus = [
            parse(reply).pdu
            for reply in near.answers(*(request(pdu=Pdu(seq=n)) for n in range(first, first + 10)))
        ]
        return [(pdu.responder_seq, pdu.window) for pdu in pdus]

    replies = ask(1)
    for first in (11, 31):
        with tracing(server) as trace:
            replies += ask(first)
            assert len(trace.end()[0]) == 11
        replies += ask(first + 10)
    assert replies == [(count, (1 << count) - 1) for count in range(1, 51)]
    with tracing(server):
        assert len(near.answers(*(request(src=OTHER, pdu=Pdu(seq=n)) for n in range(100)))) == 65
    assert near.answers(request(src=OTHER, pdu=Pdu(seq=100))) == []
    (peer,) = [one for one in server.objects("peers")[0]["peers"] if one["mac"] == OTHER]
    assert (peer["received"], peer["replied"]) == (101, 65)


def test_a_frame_s_fields(responder: Responder, near: Port) -> None:
    """Addresses, tags, EtherType, length, time, and the reason in words."""
    with tracing(responder()) as trace:
        near.answers(request(dst=OTHER, tags=(Tag(200, 1, tpid=DOT1AD), Tag(100, 5))))
        frame = trace.end()[0][0]
    assert frame.pop("at_ns") > 1_700_000_000_000_000_000
    assert frame.pop("meaning").startswith("the destination is neither our MAC")
    assert frame == {
        "event": "frame",
        "interface": "eth1",
        "destination": OTHER,
        "source": MAC_A,
        "ethertype": "ETH_P_802_EX1",
        "tags": [
            {"tpid": "0x88A8", "vid": 200, "pcp": 1, "dei": 0},
            {"tpid": "0x8100", "vid": 100, "pcp": 5, "dei": 0},
        ],
        "length": 68,
        "decision": "dropped",
        "reason": "not_for_us",
        "left_out": 0,
    }


def test_filters(responder: Responder, near: Port) -> None:
    """By reason, which may be repeated, and by source."""
    server = responder()
    with (
        tracing(server, "--reason", "bad_op", "--reason", "bad_version") as some,
        tracing(server, "--source", OTHER) as theirs,
    ):
        near.answers(*FRAMES, request(src=OTHER))
        assert outcomes(some.end()[0]) == ["bad_version", "bad_op"]
        assert outcomes(theirs.end()[0]) == ["replied"]


@pytest.mark.parametrize("engine", ["ebpf"])
def test_the_kernel_engine_goes_on(responder: Responder, near: Port) -> None:
    """It answers while it tells, also what its own socket would not see; the session goes on."""
    server = responder(tap="protocol", ethertype="ETH_P_802_EX1")
    asked = [request(tags=(Tag(100, 5),), pdu=Pdu(seq=seq)) for seq in (1, 2, 3)]
    said = [parse(reply).pdu for reply in near.answers(asked[0])]
    with tracing(server) as trace:
        said += [parse(reply).pdu for reply in near.answers(asked[1])]
        assert server.listener()["engine"] == "ebpf"
        told = trace.end()[0]
    said += [parse(reply).pdu for reply in near.answers(asked[2])]
    assert [(one["decision"], one["tags"][:1], one["length"], one["source"]) for one in told] == [
        ("replied", [{"tpid": "0x8100", "vid": 100, "pcp": 5, "dei": 0}], 64, MAC_A),
        ("replied", [], 60, MAC_A),  # the request that `answers` ends with
    ]
    assert told[0]["at_ns"] == said[1].t2
    assert [(pdu.responder_seq, pdu.window) for pdu in said] == [(1, 1), (2, 3), (3, 7)]
    assert (server.listener()["engine"], server.listener()["dropped"]) == ("ebpf", {})


def test_the_kernel_engine_outruns_its_reader(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon
) -> None:
    """The daemon stands still: the program goes on answering, and counts what it could not tell."""
    server = responder(engine="ebpf", rate_limit=0, peer_rate_limit=0)
    prober = daemon(two_hosts[0], table())
    with tracing(server) as trace:
        server.signal(signal.SIGSTOP)
        summary = prober.probe("-c", "10000", "-i", "20us", "-q", MAC_B)
        server.signal(signal.SIGCONT)
        frames, end = trace.end()
    assert (summary["received"], end["matched"]) == (10000, 10000)
    assert end["told"] == len(frames) < 5000


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_lost_at_the_change(
    two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon, engine: str
) -> None:
    """Traces begin and end under a running probe: no request is lost, none answered twice, the counters agree."""
    server = responder()
    prober = daemon(two_hosts[0], table())
    with closing(Probing(prober, "-c", "0", "-i", "0.001", MAC_B)) as probing:
        probing.event("reply")
        for _ in range(5):
            result = server.ctl("--json=short", "trace", "-c", "3")
            assert outcomes([json.loads(line) for line in result.stdout.splitlines()[1:-1]]) == ["replied"] * 3
            assert server.listener()["engine"] == engine
        summary = probing.interrupt()
    assert (summary["lost"], summary["duplicates"], summary["corrupted"]) == (0, 0, 0)
    counters = server.listener()
    assert counters["received"] == counters["replied"] == summary["sent"]


def test_a_flood_is_bounded(two_hosts: tuple[Host, Host], responder: Responder, daemon: StartDaemon) -> None:
    """Far more frames than a watch is told: the rest is counted, and all are answered."""
    server = responder(rate_limit=0, peer_rate_limit=0)
    prober = daemon(two_hosts[0], table())
    with tracing(server) as trace:
        summary = prober.probe("-c", "5000", "--flood", "-q", MAC_B)
        frames, end = trace.end()
    assert summary["received"] == 5000
    assert end["matched"] == 5000
    assert end["told"] == len(frames) < 5000
    assert sum(frame["left_out"] for frame in frames) <= end["matched"] - end["told"]


def test_a_client_that_dies_is_forgotten(responder: Responder, near: Port) -> None:
    """Answers go on, and the next trace is told what comes from then on."""
    server = responder(engine="ebpf")
    with tracing(server) as trace:
        trace.process.kill()
        trace.process.wait()
    assert len(near.answers(request())) == 1
    with tracing(server) as trace:
        assert len(near.answers(request(tags=(Tag(7),)))) == 1
        assert [len(frame["tags"]) for frame in trace.end()[0]] == [1, 0]


def test_a_reload_goes_on(responder: Responder, near: Port) -> None:
    """A listener that a reload brings tells the trace that was there before."""
    server = responder()
    with tracing(server) as trace:
        assert server.reload(table(ethertype="ETH_P_802_EX1")).returncode == 0
        near.answers(request(pdu=Pdu(magic=0x1234)))
        assert outcomes(trace.end()[0]) == ["bad_magic", "replied"]


def test_enough_frames_end_it(responder: Responder, near: Port) -> None:
    """`-c 2` shows two frames and is done."""
    process = responder().ctl_popen("trace", "-c", "2")
    assert process.stdout
    assert process.stdout.readline() == "tracing eth1; Ctrl-C ends\n"
    near.send(*FRAMES)
    output, _ = process.communicate(timeout=20)
    shown = [line for line in output.splitlines() if " eth1 " in line]
    assert (process.returncode, len(shown)) == (0, 2)


def test_only_operators(responder: Responder) -> None:
    """It shows other people's traffic: exit status 4 for everybody else, also for captures."""
    server = responder()
    assert server.ctl("trace", uid=1234).returncode == 4
    capture = server.directory / "capture"
    tshark.write(capture, [(0, request())])
    assert server.ctl("trace", "--file", str(capture), uid=1234).returncode == 4


def test_an_unknown_reason(responder: Responder) -> None:
    """Exit status 2, and which there are."""
    result = responder().ctl("trace", "--reason", "bad_luck")
    assert result.returncode == 2
    assert "'bad_luck' is none of replied, too_short, foreign," in result.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_capture_is_judged_as_frames_are(responder: Responder, near: Port, tmp_path: Path) -> None:
    """The verdicts on a file are those that the same frames get on the cable."""
    server = responder()
    capture = tshark.write(
        tmp_path / "frames.pcap", [(number * 1000, frame) for number, frame in enumerate(FRAMES)]
    )
    before = server.listener()["received"]
    judged = server.objects("trace", "--file", str(capture))
    assert outcomes(judged) == OUTCOMES
    assert [frame["at_ns"] for frame in judged] == [number * 1000 for number in range(len(FRAMES))]
    assert [frame["length"] for frame in judged] == [len(frame) for frame in FRAMES]
    assert server.listener()["received"] == before
    near.answers(*FRAMES)
    counters = server.listener()
    expected = {name: OUTCOMES.count(name) for name in set(OUTCOMES) - {"replied", "probe_reply"}}
    assert (counters["replied"], counters["dropped"]) == (len(CASES["replied"]) + 1, expected)


def test_a_capture_on_a_socket_that_loses_tags(responder: Responder, near: Port, tmp_path: Path) -> None:
    """A listener bound to its EtherType: what it would do with tags is what it does."""
    server = responder(ethertype="ETH_P_802_EX1", tap="protocol")
    frames = [request(), request(tags=(Tag(0, 3),)), request(tags=(Tag(100, 3),)), request(ethertype=PAE)]
    capture = tshark.write(tmp_path / "frames.pcap", [(0, frame) for frame in frames])
    verdicts = outcomes(server.objects("trace", "--file", str(capture)))
    assert verdicts == ["replied", "replied", "tag_lost", "foreign"]
    near.answers(*frames[:3])
    assert server.listener()["dropped"] == {"tag_lost": 1}


def test_a_large_capture(responder: Responder, tmp_path: Path) -> None:
    """More frames than one call may bring; the last line counts them."""
    capture = tshark.write(tmp_path / "frames.pcap", [(0, frame) for frame in FRAMES * 150])
    result = responder().ctl("trace", "--file", str(capture), "--reason", "replied", "--reason", "bad_op")
    assert result.returncode == 0, result
    assert result.stdout.splitlines()[-1] == "1350 frames: replied 1200, bad_op 150"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file or directory"), (b"nonsense", "it is neither pcap nor pcapng")],
)
def test_no_capture(responder: Responder, tmp_path: Path, content: bytes | None, words: str) -> None:
    """What can't be read is said with exit status 2."""
    path = tmp_path / "capture"
    if content is not None:
        path.write_bytes(content)
    result = responder().ctl("trace", "--file", str(path))
    assert (result.returncode, result.stderr) == (2, f"rawechoctl: {path}: {words}\n")


def test_an_absent_interface(lone_host: Host, daemon: StartDaemon, tmp_path: Path) -> None:
    """Nobody can say what it would do: exit status 5."""
    capture = tshark.write(tmp_path / "frames.pcap", [(0, request())])
    result: subprocess.CompletedProcess[str] = daemon(lone_host, table()).ctl("trace", "--file", str(capture))
    assert (result.returncode, result.stderr) == (5, "rawechoctl: there is no interface eth1\n")
