"""`mode = "loopback"`: every unicast frame to our own MAC goes back, addresses swapped. PURE."""

from __future__ import annotations

from rawechod.echo.breaker import Question, StormBreaker
from rawechod.echo.peers import Peer
from rawechod.echo.reflector import Arrival, Drop, Instant, Limited, Policy, Reply, is_too_long
from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import echo, ethernet


class LoopbackReflector(Limited):
    """The soft loopback plug for other people's test generators."""

    def __init__(
        self, policy: Policy, breaker: StormBreaker, rate_limit: int = 0, peer_rate_limit: int = 0
    ) -> None:
        super().__init__(policy, rate_limit, peer_rate_limit)
        self.breaker = breaker

    def reflect(self, frame: bytes, arrival: Arrival, now: Instant) -> Reply | Drop:
        """Decide on one frame."""
        if arrival.outgoing:
            return Drop(DropReason.OWN_FRAME)
        try:
            header = ethernet.decode_header(frame)
        except MalformedFrameError as error:
            return Drop(error.reason)
        refusal = self._refusal(header) or self._echo(frame, arrival, now)
        if refusal:
            return Drop(refusal)
        peer = self.peers.receive(header.src, now.monotonic)
        refusal = self._limit(header, arrival, peer, now.monotonic)
        if refusal:
            return Drop(refusal)
        peer.replied += 1
        tag = arrival.tag.encode() if arrival.tag else b""
        return Reply(header.src + self.policy.own_mac + tag + frame[12:])

    def _refusal(self, header: ethernet.Header) -> DropReason | None:
        """Why this is no frame to return, by its addresses and its EtherType."""
        policy = self.policy
        if policy.ethertype not in (ethernet.ETH_P_ALL, header.ethertype) or header.ethertype in policy.refused:
            return DropReason.FOREIGN
        if header.src == policy.own_mac:
            return DropReason.OWN_FRAME
        if header.src == ethernet.ZERO or ethernet.is_group(header.src):
            return DropReason.BAD_SOURCE
        if header.dst != policy.own_mac:
            return DropReason.NOT_FOR_US
        if policy.allow and header.src not in policy.allow:
            return DropReason.NOT_ALLOWED
        return None

    def _echo(self, frame: bytes, arrival: Arrival, now: Instant) -> DropReason | None:
        """Echo replies pass by; a question of the breaker that came back says what its peer is."""
        try:
            found = echo.decode_frame(frame.ljust(arrival.length, b"\0"))
        except MalformedFrameError:
            return None
        if found.pdu.op == echo.REPLY:
            return DropReason.PROBE_REPLY  # To our own MAC: _refusal has looked.
        if found.pdu.session == self.breaker.session:
            self.breaker.returned(found.header.src, found.pdu.t1, now.monotonic)
            return DropReason.STORM
        return None

    def _limit(self, header: ethernet.Header, arrival: Arrival, peer: Peer, now: int) -> DropReason | None:
        """Why a frame for us is not returned, if it isn't."""
        if is_too_long(header, arrival, self.policy.mtu):
            return DropReason.TOO_LONG
        if self.policy.protocol_bound and arrival.other_host:
            return DropReason.TAG_LOST
        tags = (arrival.tag, *header.tags) if arrival.tag else header.tags
        head = ethernet.encode_header(ethernet.Header(b"", b"", tags, header.ethertype))
        if not self.breaker.admits(header.src, head):
            return DropReason.STORM
        if not peer.bucket.admits(now):
            return DropReason.PEER_RATE_LIMIT
        if not self._limiter.admits(now):
            return DropReason.RATE_LIMIT
        return None


def question_frame(asked: Question, own_mac: bytes, session: int) -> bytes:
    """The breaker's echo request to a peer, behind the tags and the EtherType of its own frames."""
    theirs = ethernet.decode_header(bytes(12) + asked.head)
    has_ethertype = theirs.ethertype >= ethernet.SMALLEST_ETHERTYPE and theirs.ethertype not in ethernet.TPIDS
    ethertype = theirs.ethertype if has_ethertype else ethernet.ETH_P_802_EX1
    header = ethernet.Header(asked.peer, own_mac, theirs.tags, ethertype)
    pdu = echo.EchoPdu(echo.REQUEST, session, seq=1, t1=asked.nonce)
    return echo.encode_frame(header, pdu).ljust(ethernet.MINIMUM_FRAME, b"\0")
