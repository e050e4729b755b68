"""The kernel runs our eBPF program on arbitrary frames, and agrees with the reflector."""

from __future__ import annotations

import ctypes
import itertools
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from rawechod.echo import native
from rawechod.echo.bpf import Program
from rawechod.echo.breaker import StormBreaker
from rawechod.echo.counters import MOST_SESSIONS, SessionTable
from rawechod.echo.kernel_peers import KernelPeers
from rawechod.echo.loopback import LoopbackReflector
from rawechod.echo.peers import MOST_PEERS
from rawechod.echo.reflector import Arrival, Instant, Policy, Reflector, Reply
from rawechod.echo.sweep import SWEEP, Sweep
from rawechod.errors import InterfaceError
from rawechod.reasons import DropReason
from rawechod.wire import echo, ethernet
from tests.unit import frames
from tests.unit.frames import EX1, OTHER, OWN, PAE, PEER
from tests.unit.mutants import AMOUNT, arbitrary

MTU = 200
XDP_DROP, XDP_PASS, XDP_TX = 1, 2, 3
HOUR = 3_600_000_000_000
SILENCE = SessionTable.SILENCE
TAGS = [b"", bytes.fromhex("8100a064"), bytes.fromhex("88a80001"), bytes.fromhex("88a80001 81000002")]
VALID = [
    frames.request(dst=dst, ethertype=ethertype, tags=tags, payload=bytes(size))
    for dst in (OWN, ethernet.BROADCAST, ethernet.PAE_GROUP)
    for ethertype in (EX1, PAE)
    for tags in TAGS
    for size in (6, 156, 160, 161)
]
VALID += [frames.request(src=src) for src in (OWN, OTHER, bytes(6), ethernet.BROADCAST)] + [frames.request(op=2)]
ALL = Policy(ethernet.ETH_P_ALL, OWN, MTU)
POLICIES = {
    "every EtherType": ALL,
    "PAE": replace(ALL, ethertype=PAE),
    "802_EX1": replace(ALL, ethertype=EX1),
    "allow": replace(ALL, allow=frozenset({PEER})),
}


class _RunOptions(ctypes.Structure):
    """The head of `struct bpf_test_run_opts`."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        *((name, ctypes.c_void_p) for name in ("data_in", "data_out")),
        *((name, ctypes.c_uint32) for name in ("data_size_in", "data_size_out")),
        *((name, ctypes.c_void_p) for name in ("context_in", "context_out")),
        *((name, ctypes.c_uint32) for name in ("context_size_in", "context_size_out")),
        ("verdict", ctypes.c_uint32),
        *((name, ctypes.c_uint32) for name in ("repeat", "duration", "flags", "cpu", "batch_size")),
    )


class Outcome(NamedTuple):
    """What the program made of a frame."""

    action: int
    octets: bytes


class Bench:
    """The program, on no interface."""

    def __init__(self, policy: Policy, limits: tuple[int, int], breaker: StormBreaker | None) -> None:
        self.program = Program(native.HERE / "reflect.bpf.o", "reflect")
        settings = native.settings(policy, *limits, breaker=breaker)
        self.program.map("settings_map").update(bytes(4), bytes(settings))
        for mac in policy.allow:
            self.program.map("allow").update(struct.pack("=Q", int.from_bytes(mac)), b"\1")

    def run(self, octets: bytes) -> Outcome:
        """BPF_PROG_TEST_RUN."""
        given, out = ctypes.create_string_buffer(octets, len(octets)), ctypes.create_string_buffer(4096)
        options = _RunOptions(ctypes.sizeof(_RunOptions), ctypes.addressof(given), ctypes.addressof(out))
        options.data_size_in, options.data_size_out, options.repeat = len(octets), len(out), 1
        run = self.program._library.bpf_prog_test_run_opts
        assert run(self.program.fd, ctypes.byref(options)) == 0
        return Outcome(options.verdict, out.raw[: options.data_size_out])

    def reason(self) -> DropReason:
        """The only reason that was counted since the last call."""
        counts = self.program.map("verdicts")
        keys = [struct.pack("=I", verdict) for verdict in range(native.RETURN + 1, len(native.VERDICTS))]
        (found,) = [key for key in keys if counts.lookup_sum(key)]
        counts.update(found, bytes(8 * self.program._library.libbpf_num_possible_cpus()))
        reason = native.VERDICTS[int.from_bytes(found, sys.byteorder)]
        assert reason is not None
        return reason


@contextmanager
def bench(
    policy: Policy, limits: tuple[int, int] = (0, 0), breaker: StormBreaker | None = None
) -> Iterator[Bench]:
    """A program with this policy."""
    made = Bench(policy, limits, breaker)
    yield made
    made.program.close()


def timeless(reply: bytes) -> bytes:
    """Without t2 and residence."""
    at = _offset(reply) + 24
    return reply[:at] + bytes(12) + reply[at + 12 :]


def _offset(reply: bytes) -> int:
    """The PDU's; the decoder takes a frame as a tap delivers it, one tag less than the wire has."""
    tagged = int.from_bytes(reply[12:14]) in ethernet.TPIDS
    return echo.decode_frame(reply[:12] + reply[16:]).offset + 4 if tagged else echo.decode_frame(reply).offset


def reflected(reflector: Reflector | LoopbackReflector, octets: bytes) -> bytes | DropReason:
    """What the reflector makes of a frame, its outermost tag beside it."""
    tag = None
    if len(octets) >= 16 and int.from_bytes(octets[12:14]) in ethernet.TPIDS:
        tag = ethernet.Tag(*struct.unpack("!HH", octets[12:16]))
        octets = octets[:12] + octets[16:]
    answer = reflector.reflect(octets, Arrival(len(octets), tag), Instant(1, 1))
    return answer.frame if isinstance(answer, Reply) else answer.reason


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_agrees_with_the_reflector(root: None, policy: Policy) -> None:
    """The same reply or the same reason; what it passes on the reflector drops, for reasons of its own."""
    actions = {XDP_DROP: 0, XDP_PASS: 0, XDP_TX: 0}
    source = filter(lambda octets: len(octets) >= 14, arbitrary(VALID, AMOUNT // 4))
    while chunk := list(itertools.islice(source, 500)):  # so that no table of sessions fills
        reflector = Reflector(policy)
        with bench(policy) as program:
            for octets in chunk:
                actions[_compared(program, reflected(reflector, octets), octets)] += 1
    assert min(actions.values()) > 20, actions


def _compared(program: Bench, expected: bytes | DropReason, octets: bytes) -> int:
    action, after = program.run(octets)
    if action == XDP_TX:
        assert isinstance(expected, bytes), octets.hex()
        assert timeless(after) == timeless(expected), octets.hex()
    elif action == XDP_DROP:
        assert program.reason() is expected, octets.hex()
    else:
        assert (action, after) == (XDP_PASS, octets)
        assert isinstance(expected, DropReason), octets.hex()
    return action


LOOPBACKS = {
    "every EtherType": replace(ALL, refused=frozenset(ethernet.HOST_ETHERTYPES.values())),
    "802_EX1": replace(ALL, ethertype=EX1),
    "PAE, allow": replace(ALL, ethertype=PAE, allow=frozenset({PEER})),
}


@pytest.mark.parametrize("policy", LOOPBACKS.values(), ids=LOOPBACKS)
def test_agrees_with_the_loopback(root: None, policy: Policy) -> None:
    """In the other mode: whatever goes back goes back alike; passed on are frames of less than 26 octets too."""
    reflector = LoopbackReflector(policy, StormBreaker(frames.SESSION ^ 1, b"key"))
    own = frames.request(session=frames.SESSION ^ 1)
    others = [frames.frame(bytes(46), ethertype=kind) for kind in (0x0800, 0x9000, 46)]
    actions = {XDP_DROP: 0, XDP_PASS: 0, XDP_TX: 0}
    with bench(policy, breaker=reflector.breaker) as program:
        for octets in arbitrary([*VALID, own, *others], AMOUNT // 4):
            if len(octets) >= 14:
                reflector.breaker.open.clear()
                actions[_loop_compared(program, reflected(reflector, octets), octets)] += 1
    assert min(actions.values()) > 20, actions


def _loop_compared(program: Bench, expected: bytes | DropReason, octets: bytes) -> int:
    action, after = program.run(octets)
    if action == XDP_TX:
        assert after == expected, octets.hex()
    elif action == XDP_DROP:
        assert program.reason() is expected, octets.hex()
    else:
        assert (action, after) == (XDP_PASS, octets)
        assert isinstance(expected, DropReason) or len(octets) < 26, octets.hex()
    return action


@pytest.mark.parametrize(
    ("limits", "reason"), [((1, 0), DropReason.RATE_LIMIT), ((0, 1), DropReason.PEER_RATE_LIMIT)]
)
def test_limits(root: None, limits: tuple[int, int], reason: DropReason) -> None:
    """As the reflector's: at one frame a second a burst of 65 passes, the rest of the rush does not."""
    with bench(ALL, limits) as program:
        actions = [program.run(frames.request(seq=seq)).action for seq in range(1, 201)]
        assert actions[:65] == [XDP_TX] * 65
        assert actions[-1] == XDP_DROP
        assert program.reason() is reason
        other = program.run(frames.request(src=OTHER)).action
        assert (other == XDP_DROP) == (reason is DropReason.RATE_LIMIT)
        count = program.run(frames.request(seq=202, src=PEER)).action, program.program.map("sessions").keys(16, 9)
    assert count[0] == XDP_DROP
    assert len(count[1]) == 2


def test_times_follow_the_offset(root: None) -> None:
    """t2 is the monotonic clock and the offset that the daemon writes: after a step, the new one."""
    with bench(ALL) as program:
        asked = frames.request()
        before = echo.decode_frame(program.run(asked).octets).pdu
        settings = native.settings(ALL, 0, 0, clock_offset=HOUR)
        program.program.map("settings_map").update(bytes(4), bytes(settings))
        after = echo.decode_frame(program.run(asked).octets).pdu
    assert before.t2 + before.residence < after.t2 - HOUR < before.t2 + HOUR


def test_no_room_for_a_session(root: None) -> None:
    """It reads 0, "not kept", and is answered all the same; those that are kept go on."""
    with bench(ALL) as program:
        for session in range(MOST_SESSIONS):
            program.run(frames.request(session=session))
        late = program.run(frames.request(session=MOST_SESSIONS, src=OTHER))
        kept = program.run(frames.request(session=MOST_SESSIONS - 1, seq=2))
    counts = [echo.decode_frame(reply.octets).pdu.responder_seq for reply in (late, kept)]
    assert counts == [0, 2]


def test_several_queues_count_one_session(root: None) -> None:
    """Requests that are decided on at once, on several CPUs, are all counted, each once."""
    fork, rounds = multiprocessing.get_context("fork"), 1000
    together = fork.Barrier(2)
    with bench(ALL) as program:

        def send(first: int) -> None:
            os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1 - first]})
            for start in range(0, rounds * 32, 32):
                together.wait()  # so that neither half gets out of the session's history
                for seq in range(start + first, start + 32, 2):
                    program.run(frames.request(seq=seq))

        queues = [fork.Process(target=send, args=(first,)) for first in (0, 1)]
        for queue in queues:
            queue.start()
        for queue in queues:
            queue.join()
        last = echo.decode_frame(program.run(frames.request(seq=rounds * 32)).octets).pdu
    assert (last.responder_seq, last.window) == (rounds * 32 + 1, (1 << 64) - 1)


def test_the_verifier_is_quoted(root: None, tmp_path: Path) -> None:
    """What the kernel has against a program, and not only which errno stands for that."""
    source, target = tmp_path / "bad.c", tmp_path / "bad.o"
    source.write_text(
        '#include <linux/bpf.h>\n__attribute__((section("xdp"))) int bad(struct xdp_md *context)\n'
        "{ return *(char *)(long)context->data; }\n"
    )
    include = f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"
    subprocess.run(["clang", "-O2", "-target", "bpf", include, "-c", source, "-o", target], check=True)
    with pytest.raises(InterfaceError, match=r"does not load the eBPF program \(invalid access to packet"):
        Program(target, "bad")


def peer(due: int = 0, received: int = 1, last: int = 0) -> bytes:
    """An entry of the map."""
    return native.PEER.pack(due, received, 0, last)


def test_no_room_for_a_peer(root: None) -> None:
    """All who find none share one bucket: inventing sources gains nothing; their frames go into one sum."""
    with bench(ALL, (0, 1)) as program:
        peers = program.program.map("peers")
        for number in range(MOST_PEERS):
            assert peers.update(struct.pack("=Q", number), peer(due=1 << 62))
        invented = [frames.request(src=bytes([2, 1, 1, 1, 1, number])) for number in range(200)]
        actions = [program.run(request).action for request in invented]
        census = KernelPeers(program.program).census()
    assert actions[:64] == [XDP_TX] * 64
    assert actions[-1] == XDP_DROP
    assert (len(census.peers), census.forgotten) == (MOST_PEERS, 200)


def test_peers_make_room_when_they_fell_silent(root: None) -> None:
    """After a minute; as soon as their buckets are full again where somebody found no room. Nothing gets lost."""
    with bench(ALL, (0, 1)) as program:
        peers, table = KernelPeers(program.program), program.program.map("peers")
        for number, entry in enumerate((peer(last=HOUR - SILENCE), peer(last=HOUR), peer(HOUR + 1), peer(HOUR))):
            assert table.update(struct.pack("=Q", number), entry)
        assert set(peers.forget(HOUR).peers) == {bytes(6), bytes([0, 0, 0, 0, 0, 3])}
        assert peers.forget(HOUR).peers == {}
        program.program.map("others").update(bytes(4), peer())
        assert set(peers.forget(HOUR).peers) == {bytes([0, 0, 0, 0, 0, 1])}
        assert set(peers.census().peers) == {bytes([0, 0, 0, 0, 0, 2])}
        assert peers.census().forgotten == 1


def test_a_sweep_sees_every_entry(root: None) -> None:
    """In rounds, each where the last one ended, past entries that stay; then from the start again."""
    with bench(ALL) as program:
        peers = program.program.map("peers")
        for number in range(3 * SWEEP):
            peers.update(struct.pack("=Q", number), peer(due=number % 2))
        sweep = Sweep(peers, 8, native.PEER.size)
        gone, left = 0, []
        for _ in range(6):
            gone += len(sweep.forget(lambda value: value == peer(due=0)))
            left.append(len(peers.keys(8, MOST_PEERS)))
    assert left[0] > left[1] > left[2]
    assert left[-1] == gone == 3 * SWEEP // 2


def test_signals_do_not_keep_it_from_being_loaded(root: None) -> None:
    """However many come meanwhile: they are handled, behind it."""
    told = list[int]()
    before = signal.signal(signal.SIGALRM, lambda number, _: told.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        for _ in range(3):
            with bench(ALL):
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert told
