"""Every engine answers the same frames with the same octets, and counts them alike."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from rawechod.echo import accelerator, storm
from rawechod.echo.breaker import StormBreaker
from rawechod.echo.listener import ListenerStatus
from rawechod.echo.loopback import LoopbackReflector
from rawechod.echo.peers import Census
from rawechod.echo.reflector import Arrival, Drop, Instant, Policy, Reflector, Reply
from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import ethernet
from tests.lab import MAC_A, MAC_B, Host, wait_for
from tests.netns.frames import (
    BROADCAST,
    DOT1AD,
    EX1,
    MAGIC,
    PAE,
    PAE_GROUP,
    REPLY,
    ZERO,
    Pdu,
    Tag,
    eapol,
    header,
    mac,
    parse,
    request,
)
from tests.netns.in_process import listening
from tests.netns.port import SENTINEL, Port
from tests.netns.programs import attach_pass, require_native
from tests.unit.mutants import arbitrary

OTHER = "02:00:00:00:00:99"
MTU = 1500
CHUNK = 100
MUTANTS = 3000
C, S = Tag(7, pcp=5), Tag(8, tpid=DOT1AD)
TAGS: tuple[tuple[Tag, ...], ...] = ((), (C,), (S,), (Tag(0),), (S, C), (C, C))

GOOD = [
    request(dst, ethertype=ethertype, tags=tags, size=size, pdu=Pdu(session=session))
    for session, dst in enumerate((MAC_B, BROADCAST, PAE_GROUP))
    for ethertype in (EX1, PAE, 0x88B6)
    for tags in TAGS
    for size in (60, 1500)
]
BAD = [
    *(request(src=src, tags=tags) for src in (MAC_B, ZERO, BROADCAST, PAE_GROUP) for tags in ((), (C,))),
    *(request(dst, tags=tags) for dst in (MAC_A, OTHER, ZERO, "33:33:00:00:00:01") for tags in ((), (S, C))),
    *(request(pdu=pdu) for pdu in (Pdu(magic=0x4552), Pdu(version=1), Pdu(op=0), Pdu(op=REPLY))),
    *(request(ethertype=PAE, pdu=pdu) for pdu in (Pdu(magic=0x4552), Pdu(version=1), Pdu(op=0), Pdu(op=REPLY))),
    *(header(ethertype=kind) + Pdu().octets()[:45] for kind in (EX1, PAE)),
    *(header(ethertype=PAE) + eapol(Pdu().octets(), length=length) for length in (45, 47, 0xFFFF)),
    *(header(ethertype=PAE) + eapol(Pdu().octets(), kind=kind) for kind in (0, 1, 255)),
    *(header(ethertype=kind) + Pdu().octets() for kind in (46, 0x05FF, 0x0800, 0x86DD)),
    *(request(size=size, tags=tags) for size, tags in ((1515, ()), (1511, (S,)), (1507, (S, C)), (1518, ()))),
    *(request(tags=tags, pdu=Pdu(session=0x333)) for tags in ((C, S, C), (C, C, C, C))),
    request(src=OTHER),
    header(),
]
LISTENERS: dict[str, dict[str, Any]] = {
    "ALL": {"ethertype": "ETH_P_ALL"},
    "PAE": {"ethertype": "ETH_P_PAE"},
    "802_EX1": {"ethertype": "ETH_P_802_EX1"},
    "allow": {"ethertype": "ETH_P_ALL", "allow": [MAC_A]},
    "loopback": {"ethertype": "ETH_P_ALL", "mode": "loopback", "loopback_armed": True},
    "loopback of 802.1X": {
        "ethertype": "ETH_P_PAE",
        "mode": "loopback",
        "loopback_armed": True,
        "loopback_ethertypes": ["ETH_P_PAE"],
    },
}


@pytest.fixture(params=["python", "c", "ebpf", "native"])
def engine(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    two_hosts: tuple[Host, Host],
    tmp_path: Path,
) -> tuple[str, str | None]:
    """The epoll engine with and without its part in C, and the kernel engine in both modes, as in `status`."""
    monkeypatch.setattr(storm, "LOOK_EVERY", 1 << 60)  # the storm breaker's questions would be frames too many
    if request.param == "python":
        monkeypatch.setattr(accelerator, "available", lambda: False)
    assert request.param == "python" or accelerator.available()
    if request.param == "native":
        require_native()
        attach_pass(two_hosts[0], tmp_path)
        return "ebpf", "native"
    return ("ebpf", "generic") if request.param == "ebpf" else ("epoll", None)


class Model:
    """What the reflector alone makes of frames, as a packet socket would deliver them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.ethertype = ethernet.ETHERTYPES[settings["ethertype"]]
        allow = frozenset(map(mac, settings.get("allow", [])))
        self.reflector = self._reflector(settings, Policy(self.ethertype, mac(MAC_B), MTU, allow=allow))
        self.received = self.replied = self.probe_replies = 0
        self.dropped: Counter[str] = Counter()

    def _reflector(self, settings: dict[str, Any], policy: Policy) -> Reflector | LoopbackReflector:
        self.loopback = settings.get("mode") == "loopback"
        named = {ethernet.HOST_ETHERTYPES[name] for name in settings.get("loopback_ethertypes", [])}
        self.refused = frozenset(ethernet.HOST_ETHERTYPES.values()) - named
        if self.loopback:
            return LoopbackReflector(replace(policy, refused=self.refused), StormBreaker(SENTINEL + 1, b"key"))
        return Reflector(policy)

    def answers(self, frame: bytes) -> list[bytes]:
        """The reply, if there is one."""
        tag, rest = _untagged(frame)
        if not self._heard(rest):
            return []
        answer = self.reflector.reflect(rest, Arrival(len(rest), tag), Instant(1, 1))
        if answer == Drop(DropReason.PROBE_REPLY):
            self.probe_replies += 1
            return []
        self.received += 1
        if isinstance(answer, Reply):
            self.replied += 1
            return [answer.frame]
        self.dropped[answer.reason.value] += 1
        return []

    def _heard(self, frame: bytes) -> bool:
        """The socket's filter; tests/unit/test_filter.py holds it to the same."""
        try:
            head = ethernet.decode_header(frame)
        except MalformedFrameError:
            return False
        if self.ethertype != ethernet.ETH_P_ALL:
            return head.ethertype == self.ethertype
        if self.loopback:
            return head.ethertype not in self.refused
        body = frame[head.length :]
        if head.ethertype == PAE and body[1:2] == b"\xec":
            return body[4:6] == b"RE" or body[:2] == b"RE"
        return head.ethertype >= ethernet.SMALLEST_ETHERTYPE and body[:2] == b"RE"


def _untagged(frame: bytes) -> tuple[ethernet.Tag | None, bytes]:
    """The outermost tag, which the kernel takes out."""
    tpid = int.from_bytes(frame[12:14])
    if tpid not in ethernet.TPIDS:
        return None, frame
    return ethernet.Tag(tpid, int.from_bytes(frame[14:16])), frame[:12] + frame[16:]


def _sendable(frame: bytes) -> bool:
    """Whether the cable takes it, and the host behind does not throw it away before any tap."""
    shortest = 20 if int.from_bytes(frame[12:14]) in ethernet.TPIDS else 14
    return shortest <= len(frame) <= MTU


def _timeless(frame: bytes) -> bytes:
    """A reply without the responder's times, the only octets in which engines may differ."""
    try:
        echo = parse(frame)
    except struct.error:
        return frame
    if (echo.pdu.magic, echo.pdu.op) != (MAGIC, REPLY):
        return frame
    return echo._replace(pdu=echo.pdu._replace(t2=0, residence=0)).octets()


def _chunks(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Few enough that no receive buffer overflows."""
    rest = iter(frames)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _replies(near: Port, chunk: list[bytes], amount: int, ethertype: int) -> list[bytes]:
    """What comes back; the socket beside the kernel engine may return a short frame after the program's last."""
    replies = near.answers(*chunk, ethertype=ethertype)
    replies += [near.receive() for _ in range(amount - len(replies))]
    return sorted(map(_timeless, replies))


def _counts(status: ListenerStatus) -> tuple[int, int, int, dict[str, int]]:
    return status.received, status.replied, status.probe_replies, status.dropped


def _peers(census: Census) -> dict[bytes, tuple[int, int]]:
    """Frames received and replied of each, without the times; nobody is forgotten."""
    assert census.forgotten == 0
    return {mac: (received, replied) for mac, (received, replied, _) in census.peers.items()}


@pytest.mark.parametrize("settings", LISTENERS.values(), ids=LISTENERS)
def test_same_answers_and_same_counters(
    two_hosts: tuple[Host, Host], near: Port, engine: tuple[str, str | None], settings: dict[str, Any]
) -> None:
    """Good frames, bad frames of each kind and damaged ones: octet for octet and peer by peer as the reflector."""
    two_hosts[0].ip("link", "set", "eth1", "mtu", "1600")
    mutants = filter(_sendable, arbitrary(GOOD[::2] + BAD, MUTANTS))
    model = Model(settings)
    limits = {"rate_limit": 0, "peer_rate_limit": 0, "tap": "all", "engine": engine[0], "xdp": engine[1] or "auto"}
    last = PAE if settings["ethertype"] == "ETH_P_PAE" else EX1
    with listening(two_hosts[1], **limits, **settings) as listener:
        for chunk in _chunks([*GOOD, *BAD, *mutants]):
            expected = [reply for frame in chunk for reply in model.answers(frame)]
            model.answers(request(ethertype=last, pdu=Pdu(session=SENTINEL)))
            assert _replies(near, chunk, len(expected), last) == sorted(map(_timeless, expected))
        counts = (model.received, model.replied, model.probe_replies, dict(model.dropped))
        wait_for(lambda: _counts(listener.status()) == counts, f"the counters {counts}")
        wait_for(lambda: (listener.status().engine, listener.status().xdp) == engine, f"the engine {engine}")
        assert _peers(listener.census()) == _peers(model.reflector.peers.census())
    assert model.replied > len(GOOD) // 3
