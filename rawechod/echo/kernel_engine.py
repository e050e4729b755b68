"""The same policy in the kernel: reflect.bpf.c as an XDP program, and the epoll engine for what it leaves.

attachment.py has the program on its interface, in native or in generic mode.
"""

from __future__ import annotations

import struct
import time

from rawechod.echo import native
from rawechod.echo.attachment import PATH, Attachment
from rawechod.echo.bpf import Program, Ring, UnavailableError
from rawechod.echo.breaker import MOST_LOOPS, StormBreaker
from rawechod.echo.constants import HEAD_LENGTH, MOST_ALLOWED, TRACED_OCTETS
from rawechod.echo.counters import MOST_SESSIONS, Counters, SessionState, SessionTable
from rawechod.echo.epoll_engine import NAME as EPOLL
from rawechod.echo.epoll_engine import Duty, EpollEngine
from rawechod.echo.kernel_peers import KernelPeers
from rawechod.echo.peers import Census, Memory
from rawechod.echo.reflector import Drop, Policy, Reply
from rawechod.echo.sweep import Sweep
from rawechod.echo.tracer import as_received
from rawechod.echo.tracing import Sink
from rawechod.errors import InterfaceError
from rawechod.packet.socket import Options
from rawechod.reactor import Deadline, Reactor

NAME = "ebpf"
NEVER_LEFT = "XDP_TX"
"""In an errno's place: a transmit error that only the driver's counters tell."""
SWEEP_INTERVAL = 5_000_000_000

_KEY = struct.Struct("=I")
_NUMBER = struct.Struct("=Q")
_FIRST = _KEY.pack(0)
TRACES_SIZE = 1 << 18
"""Octets of the ring buffer `traces` of reflect.bpf.c."""
MOST_DROPPED = 0xFFFF
"""Replies say how many modulo one more."""
BATCH, PAUSE = 64, 10_000_000
"""Traced frames that are read at once, and nanoseconds until more are: still far more than a watch is told."""
_TRACED = struct.Struct(f"=QII{TRACED_OCTETS}s")
"""`struct traced`: received_at, length, verdict, octets."""
_LOOP = struct.Struct(f"=Q{HEAD_LENGTH}s?x")
_SESSION_KEY = struct.Struct("=QI4x")
"""`struct session` of reflect.bpf.c."""
_UNLOCKED = bytes(8)
"""What is before `struct re_session` there."""
_SESSION_SIZE = len(_UNLOCKED) + native.SESSION.size
_LAST = struct.Struct("=8xQ")
"""Of a session: when its last request came, behind the lock."""


class Tracing:
    """Tells a sink what the program has decided, frame by frame, as it says in its ring buffer.

    Where that is full because we don't keep up, the program answers all the same and counts what it does not tell.
    """

    def __init__(self, reactor: Reactor, program: Program, sink: Sink, policy: Policy) -> None:
        """The policy is the program's, who sees every tag. Raises InterfaceError."""
        self._reactor, self._sink, self._policy = reactor, sink, policy.with_tags()
        self._untold = program.map("untraced")
        self._missed = self._untold.lookup_sum(_FIRST)
        self._pause: Deadline | None = None
        self._closed = False
        try:
            self._ring = Ring(program.map("traces"), TRACES_SIZE)
        except OSError as error:
            raise InterfaceError(f"the program can't be traced ({error.strerror})") from error
        reactor.register(self._ring.fd, self._ready)

    def settle(self) -> None:
        """Tell of whatever has happened up to now."""
        for _ in range(TRACES_SIZE // (BATCH * _TRACED.size) + 1):  # no more than there were
            if not self._tell():
                break

    def close(self) -> None:
        """Tell no more."""
        self._closed = True
        if self._pause:
            self._pause.cancel()
        else:
            self._reactor.unregister(self._ring.fd)
        self._ring.close()

    def _ready(self, _events: int) -> None:
        if self._tell() == BATCH and not self._closed:  # A flood: the rest of the daemon has its turn.
            self._reactor.unregister(self._ring.fd)
            self._pause = self._reactor.call_at(self._reactor.now() + PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._reactor.register(self._ring.fd, self._ready)

    def _tell(self) -> int:
        """Tell of some frames: how many."""
        missed = self._untold.lookup_sum(_FIRST)
        if missed > self._missed:
            self._sink.missed(missed - self._missed)
            self._missed = missed
        records = self._ring.read(BATCH)
        for record in records:
            received_at, length, verdict, octets = _TRACED.unpack(record)
            frame, arrival = as_received(octets[:length], length, self._policy)
            reason = native.VERDICTS[verdict]
            answer = Drop(reason) if reason else Reply(b"")
            self._sink(frame, arrival._replace(received_at=received_at), answer)
        return len(records)


class KernelEngine:
    """Answers in the kernel on one interface."""

    def __init__(self, reactor: Reactor, ifindex: int, options: Options, duty: Duty, counters: Counters) -> None:
        """Raises InterfaceError where the kernel engine can't be had, PrivilegeError without any raw socket."""
        if not PATH.exists():
            raise UnavailableError("this rawechod was built without the eBPF program")
        self._reactor = reactor
        self._ifindex, self._options, self._duty, self._counters = ifindex, options, duty, counters
        self._tracing: Tracing | None = None
        self._dropped = counters.kernel_drops & MOST_DROPPED
        """What replies say that the listener's receive buffers have dropped, those of former engines too."""
        self._told = [0] * len(native.VERDICTS)
        self._replied, self._by_socket = 0, counters.replied
        self._attachment = Attachment(reactor, ifindex, duty.xdp, self._never_left, self._hand_over)
        self._program = self._attachment.program
        self._sessions = Sweep(self._program.map("sessions"), _SESSION_KEY.size, _SESSION_SIZE)
        self._peers = KernelPeers(self._program)
        try:
            self.adopt_settings(duty)
            self._import(duty.memory.export())
            self._attachment.attach()
            self._rest = EpollEngine(reactor, ifindex, options, duty, counters)
        except Exception:
            self._attachment.detach()
            self._hand_over()
            self._attachment.close()
            raise
        self._sweep_at: Deadline = reactor.call_at(reactor.now() + SWEEP_INTERVAL, self._sweep)

    @property
    def name(self) -> str:
        """What answers, for people."""
        return NAME if self.xdp else EPOLL

    @property
    def xdp(self) -> str | None:
        """The program's mode, None while it does not answer."""
        return self._attachment.mode

    @property
    def note(self) -> str:
        """Why it is not in native mode, where that was wanted or tried; else empty."""
        attachment = self._attachment
        what = "XDP in generic mode" if attachment.mode else "the epoll engine answers"
        return f"{what}: {attachment.problem}" if attachment.problem else ""

    def adopt(self, duty: Duty) -> None:
        """Follow a change of the interface that needs no other socket."""
        resized = duty.policy.mtu != self._duty.policy.mtu
        self._duty = duty
        self.adopt_settings(duty)
        if resized:
            self._renew()
        self._rest.adopt(duty)

    def _renew(self) -> None:
        try:
            self._attachment.renew()
        except InterfaceError as error:
            self._attachment.problem = str(error)
            self._hand_over()

    def adopt_settings(self, duty: Duty) -> None:
        """Write the program's settings anew; raises InterfaceError where it does not know such a listener."""
        if duty.limits is None:
            raise InterfaceError("the ebpf engine does not know this mode")
        if len(duty.policy.allow) > MOST_ALLOWED:
            raise InterfaceError(f"the ebpf engine takes {MOST_ALLOWED} MACs in allow")
        # The program sees the tags of frames that a protocol-bound socket does not.
        policy = duty.policy.with_tags()
        offset = time.time_ns() - time.monotonic_ns()
        settings = native.settings(policy, *duty.limits, clock_offset=offset, breaker=duty.breaker)
        allow = self._program.map("allow")
        for mac in policy.allow:
            allow.update(_NUMBER.pack(int.from_bytes(mac)), b"\1")
        settings.traced = self._tracing is not None
        settings.dropped = self._dropped
        self._program.map("settings_map").update(_FIRST, bytes(settings))

    def flush(self) -> None:
        """Bring the counters up to date."""
        verdicts = self._program.map("verdicts")
        counts = [verdicts.lookup_sum(_KEY.pack(verdict)) for verdict in range(len(native.VERDICTS))]
        fresh = [new - old for new, old in zip(counts, self._told, strict=True)]
        native.count(self._counters, fresh)
        self._told = counts
        self._replied += fresh[native.REPLY] + fresh[native.RETURN]
        self._rest.flush()
        if self._counters.kernel_drops & MOST_DROPPED != self._dropped:
            self._dropped = self._counters.kernel_drops & MOST_DROPPED
            self.adopt_settings(self._duty)

    def census(self) -> Census:
        """What was counted of each peer, and not by the reflector."""
        return self._peers.census().plus(self._rest.census())

    def send(self, frame: bytes) -> None:
        """Send a frame of our own; one that the kernel refuses is lost."""
        self._rest.send(frame)

    def survey(self, breaker: StormBreaker) -> None:
        """Tell the storm breaker what the program has counted, and the program for whom it is open."""
        loops = self._program.map("loops")
        for key in loops.keys(_NUMBER.size, MOST_LOOPS):
            peer, entry = _NUMBER.unpack(key)[0].to_bytes(6), loops.lookup(key, _LOOP.size)
            frames, head, _ = _LOOP.unpack(entry or bytes(_LOOP.size))
            if frames:
                breaker.count(peer, head, frames)
                loops.update(key, _LOOP.pack(0, head, peer in breaker.open))
            elif peer not in breaker.open:
                loops.delete(key)
        for peer in breaker.open:
            loops.update(_NUMBER.pack(int.from_bytes(peer)), _LOOP.pack(0, b"", True))

    def trace(self, sink: Sink | None) -> None:
        """Tell of each frame from now on; the socket's engine tells of what the program passes on to it."""
        self._rest.trace(sink)
        if self._tracing:
            self._tracing.close()
        self._tracing = Tracing(self._reactor, self._program, sink, self._duty.policy) if sink else None
        self.adopt_settings(self._duty)

    def settle_trace(self) -> None:
        """Tell of whatever has arrived up to now."""
        self._rest.settle_trace()
        if self._tracing:
            self._tracing.settle()

    def close(self) -> None:
        """Stop answering."""
        self._sweep_at.cancel()
        if self._tracing:
            self._tracing.close()
        self.flush()
        self._rest.close()
        self._attachment.detach()
        self._hand_over()
        self._attachment.close()

    def _import(self, memory: Memory) -> None:
        """Have the program go on with what was remembered so far."""
        sessions = self._program.map("sessions")
        for one in sorted(memory.sessions, key=lambda each: each.last)[-MOST_SESSIONS:]:
            key = _SESSION_KEY.pack(int.from_bytes(one.peer), one.number)
            sessions.update(key, _UNLOCKED + native.pack_session(one))
        self._program.map("bucket").update(_FIRST, _NUMBER.pack(memory.due))
        self._peers.import_(memory.peers, memory.forgotten)

    def _hand_over(self) -> None:
        """The program is not attached any more: have the socket's engine go on with what it remembers."""
        found = self._program.map("sessions")
        sessions: list[SessionState] = []
        for key in found.keys(_SESSION_KEY.size, MOST_SESSIONS):
            mac, number = _SESSION_KEY.unpack(key)
            if value := found.take(key, _SESSION_SIZE):
                sessions.append(native.unpack_session(mac.to_bytes(6), number, value[len(_UNLOCKED) :]))
        due = _NUMBER.unpack(self._program.map("bucket").lookup(_FIRST, _NUMBER.size) or bytes(_NUMBER.size))
        self._duty.memory.import_(Memory(sessions, *self._peers.export(), *due))

    def _never_left(self, answers: int) -> None:
        """So many were counted as transmitted in vain."""
        self.flush()
        self._counters.replied -= answers
        self._replied -= answers
        self._counters.transmit_error(NEVER_LEFT, answers)

    def _sweep(self) -> None:
        """Forget sessions and peers that fell silent; the program can't."""
        self._sweep_at = self._reactor.call_at(self._reactor.now() + SWEEP_INTERVAL, self._sweep)
        now = self._reactor.now()
        self._sessions.forget(lambda state: now - _LAST.unpack_from(state)[0] >= SessionTable.SILENCE)
        self._duty.reflector.peers.add(self._peers.forget(now))
        self._attachment.check()
        self.flush()
        before, self._by_socket = self._by_socket, self._counters.replied - self._replied
        self._attachment.passed_by(self._by_socket - before)
