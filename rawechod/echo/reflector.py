"""The responder's policy: a frame and what the kernel said of it go in, a reply or a drop comes out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from rawechod.echo.counters import SessionTable
from rawechod.echo.limiter import Limiter
from rawechod.echo.peers import Memory, Peer, PeerTable, Remembering
from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import echo, ethernet


class Instant(NamedTuple):
    """One moment on both clocks, nanoseconds."""

    monotonic: int
    wall: int


class Arrival(NamedTuple):
    """What the kernel says of a received frame beside its octets."""

    length: int
    """Octets of the frame as it arrived; more than were kept where it is larger than the buffer."""
    tag: ethernet.Tag | None = None
    """The outermost tag, which the kernel took out of the octets."""
    outgoing: bool = False
    """A copy of a frame that this host sent."""
    other_host: bool = False
    """Marked as addressed to somebody else."""
    received_at: int = 0
    """Receive time by the kernel's clock, nanoseconds since the epoch, 0 = not stamped."""
    dropped: int = 0
    """Frames that the receive buffer has dropped so far."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a responder answers; made anew whenever the configuration or the interface changes."""

    ethertype: int
    """ETH_P_ALL = every one."""
    own_mac: bytes
    mtu: int
    loopback_device: bool = False
    """All addresses are zero there: the rules on own frames and zero sources do not apply."""
    protocol_bound: bool = False
    """The socket is bound to the EtherType: the tag of a frame marked OTHERHOST is gone."""
    allow: frozenset[bytes] = frozenset()
    """Source MACs; empty = any."""
    refused: frozenset[int] = frozenset()
    """EtherTypes that loopback mode leaves to the host."""

    def with_tags(self) -> Policy:
        """The same for whoever sees every tag, whatever the socket is bound to."""
        return replace(self, protocol_bound=False)

    @property
    def groups(self) -> frozenset[bytes]:
        """The group addresses that are answered."""
        if self.ethertype in (ethernet.ETH_P_ALL, ethernet.ETH_P_PAE):
            return frozenset({ethernet.BROADCAST, ethernet.PAE_GROUP})
        return frozenset({ethernet.BROADCAST})


@dataclass(frozen=True, slots=True)
class Reply:
    """A frame to send back."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """A frame that is not answered."""

    reason: DropReason


class Reflecting(Remembering, Protocol):
    """What an engine needs of a mode."""

    peers: PeerTable

    def adopt(self, policy: Policy) -> None:
        """Follow a change of the interface; counts and limits go on."""

    def reflect(self, frame: bytes, arrival: Arrival, now: Instant) -> Reply | Drop:
        """Decide on one frame."""


class Limited:
    """What all modes have in common: a policy, limits, and the peers that they hold for."""

    def __init__(self, policy: Policy, rate_limit: int = 0, peer_rate_limit: int = 0) -> None:
        self.policy = policy
        self._limiter = Limiter(rate_limit)
        self.peers = PeerTable(peer_rate_limit)

    def adopt(self, policy: Policy) -> None:
        """Follow a change of the interface; counts and limits go on."""
        self.policy = policy

    def export(self) -> Memory:
        """Hand over everything that it remembers."""
        due, self._limiter.due = self._limiter.due, 0
        return Memory([], *self.peers.export(), due)

    def import_(self, memory: Memory) -> None:
        """Go on with what a former owner remembered."""
        self.peers.import_(memory.peers, memory.forgotten)
        self._limiter.due = max(self._limiter.due, memory.due)


class Reflector(Limited):
    """`mode = "echo"`: answers echo requests and nothing else."""

    def __init__(self, policy: Policy, rate_limit: int = 0, peer_rate_limit: int = 0) -> None:
        super().__init__(policy, rate_limit, peer_rate_limit)
        self._groups = policy.groups
        self._sessions = SessionTable()

    def adopt(self, policy: Policy) -> None:
        """Follow a change of the interface; counts and limits go on."""
        super().adopt(policy)
        self._groups = policy.groups

    def export(self) -> Memory:
        """Hand over everything that it remembers."""
        return super().export()._replace(sessions=self._sessions.export())

    def import_(self, memory: Memory) -> None:
        """Go on with what a former owner remembered."""
        super().import_(memory)
        self._sessions.import_(memory.sessions)

    def reflect(self, frame: bytes, arrival: Arrival, now: Instant) -> Reply | Drop:
        """Decide on one frame."""
        try:
            # One that was cut is too long in any case: with its octets missing it would count as malformed.
            request = echo.decode_frame(frame.ljust(arrival.length, b"\0"))
        except MalformedFrameError as error:
            return Drop(DropReason.OWN_FRAME if arrival.outgoing else error.reason)
        refusal = self._refusal(request, arrival)
        if refusal:
            return Drop(refusal)
        src = request.header.src
        received = self._sessions.receive(src, request.pdu.session, request.pdu.seq, now.monotonic)
        peer = self.peers.receive(src, now.monotonic)
        refusal = self._limit(request, arrival, peer, now.monotonic)
        if refusal:
            return Drop(refusal)
        peer.replied += 1
        t2 = arrival.received_at
        answer = echo.Answer(*received, t2, echo.residence(t2, now.wall), arrival.dropped)
        return Reply(self._reply(frame, request, arrival, answer))

    def _refusal(self, request: echo.EchoFrame, arrival: Arrival) -> DropReason | None:
        """Why this is no valid request to us, if it isn't."""
        policy, header = self.policy, request.header
        if policy.ethertype not in (ethernet.ETH_P_ALL, header.ethertype):
            return DropReason.FOREIGN
        own = arrival.outgoing or (header.src == policy.own_mac and not policy.loopback_device)
        if own:
            return DropReason.OWN_FRAME
        if request.pdu.op == echo.REPLY:
            return DropReason.PROBE_REPLY if header.dst == policy.own_mac else DropReason.REPLY
        zero = header.src == ethernet.ZERO and not policy.loopback_device
        if zero or ethernet.is_group(header.src):
            return DropReason.BAD_SOURCE
        # Addresses, never the kernel's packet type: that lies for tagged and for group frames.
        if header.dst != policy.own_mac and header.dst not in self._groups:
            return DropReason.NOT_FOR_US
        if policy.allow and header.src not in policy.allow:
            return DropReason.NOT_ALLOWED
        return None

    def _limit(self, request: echo.EchoFrame, arrival: Arrival, peer: Peer, now: int) -> DropReason | None:
        """Why a valid request is not answered, if it isn't."""
        policy, header = self.policy, request.header
        if is_too_long(header, arrival, policy.mtu):
            return DropReason.TOO_LONG
        # Addressed to us or to a group, and yet marked as somebody else's: it had a tag.
        if policy.protocol_bound and arrival.other_host:
            return DropReason.TAG_LOST
        if not peer.bucket.admits(now):
            return DropReason.PEER_RATE_LIMIT
        if not self._limiter.admits(now):
            return DropReason.RATE_LIMIT
        return None

    def _reply(self, frame: bytes, request: echo.EchoFrame, arrival: Arrival, answer: echo.Answer) -> bytes:
        reply = bytearray(frame)
        reply[0:6] = request.header.src
        reply[6:12] = self.policy.own_mac
        echo.turn_into_reply(reply, request.offset, answer)
        if arrival.tag:
            reply[12:12] = arrival.tag.encode()
        return bytes(reply)


def is_too_long(header: ethernet.Header, arrival: Arrival, mtu: int) -> bool:
    """Whether the kernel would not send it back: above the MTU it gives room for a C-tag alone."""
    tags = (arrival.tag, *header.tags) if arrival.tag else header.tags
    room = ethernet.TAG_LENGTH if tags and tags[0].tpid == ethernet.TPID_C else 0
    length = arrival.length + (ethernet.TAG_LENGTH if arrival.tag else 0)
    return length > mtu + ethernet.HEADER_LENGTH + room
