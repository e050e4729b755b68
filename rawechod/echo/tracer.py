"""Who wants to know what became of each frame, and what is told of it. PURE.

A watch is bounded twice: so many frames a second, and no more than its reader keeps up with. What is left out
is counted, and told with the next frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rawechod.echo.limiter import Limiter
from rawechod.echo.reflector import Arrival, Drop, Policy, Reply
from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import ethernet

RATE = 1000
"""Most frames a second that a watch is told of."""
REPLIED, DROPPED = "replied", "dropped"
OUTCOMES = (REPLIED, *(reason.value for reason in DropReason))
"""What a watch can ask for."""


@dataclass(frozen=True, slots=True)
class TracedTag:
    """A VLAN tag."""

    tpid: str
    vid: int
    pcp: int
    dei: int


@dataclass(frozen=True, slots=True)
class TracedFrame:
    """A frame and what became of it."""

    at_ns: int
    interface: str
    destination: str
    source: str
    ethertype: str
    """Empty where the frame ends before it."""
    tags: list[TracedTag]
    length: int
    """Octets, tags included."""
    decision: str
    reason: str
    """Of a drop."""
    meaning: str
    """The reason as a sentence."""
    left_out: int = 0
    """Frames since the one before that were asked for, or may have been, and not told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a watch asks for."""

    interface: str | None = None
    source: bytes | None = None
    outcomes: frozenset[str] = frozenset()
    """Of OUTCOMES; empty = all."""


class Watch:
    """One reader. `tell` is handed frames while `keeps_up` says that the last ones are taken."""

    def __init__(self, wanted: Wanted, tell: Callable[[TracedFrame], None], keeps_up: Callable[[], bool]) -> None:
        self.wanted = wanted
        self._tell = tell
        self._keeps_up = keeps_up
        self._limiter = Limiter(RATE)
        self._left_out = 0
        self.matched = self.told = 0

    def take(self, interface: str, frame: bytes, arrival: Arrival, answer: Reply | Drop, now: int) -> None:
        """One frame, at `now` (monotonic, nanoseconds)."""
        if not self._wants(interface, frame, answer):
            return
        self.matched += 1
        if not self._limiter.admits(now) or not self._keeps_up():
            self._left_out += 1
            return
        self.told += 1
        self._tell(replace(describe(interface, frame, arrival, answer), left_out=self._left_out))
        self._left_out = 0

    def missed(self, interface: str, frames: int) -> None:
        """So many frames of an interface could not be told; whether they were asked for, nobody knows."""
        if self.wanted.interface in (None, interface):
            self.matched += frames
            self._left_out += frames

    def _wants(self, interface: str, frame: bytes, answer: Reply | Drop) -> bool:
        wanted = self.wanted
        if wanted.interface not in (None, interface) or wanted.source not in (None, frame[6:12]):
            return False
        return not wanted.outcomes or _outcome(answer) in wanted.outcomes


def describe(interface: str, frame: bytes, arrival: Arrival, answer: Reply | Drop) -> TracedFrame:
    """What is told of a frame."""
    tags, ethertype = _tags(frame, arrival.tag)
    reason = answer.reason if isinstance(answer, Drop) else None
    return TracedFrame(
        at_ns=arrival.received_at,
        interface=interface,
        destination=ethernet.format_mac(frame[:6]),
        source=ethernet.format_mac(frame[6:12]),
        ethertype=ethertype,
        tags=[TracedTag(f"0x{tag.tpid:04X}", tag.vid, tag.pcp, tag.dei) for tag in tags],
        length=arrival.length + (ethernet.TAG_LENGTH if arrival.tag else 0),
        decision=DROPPED if reason else REPLIED,
        reason=reason.value if reason else "",
        meaning=reason.meaning if reason else "",
    )


def as_received(octets: bytes, length: int, policy: Policy) -> tuple[bytes, Arrival]:
    """A frame as it was on the wire, in the form in which a listener's socket hands it over."""
    tag = None
    if int.from_bytes(octets[12:14]) in ethernet.TPIDS and len(octets) >= 16:
        tag = ethernet.Tag(int.from_bytes(octets[12:14]), int.from_bytes(octets[14:16]))
        octets, length = octets[:12] + octets[16:], length - ethernet.TAG_LENGTH
    if tag and policy.protocol_bound:
        # The kernel takes the tag away; only the mark of a frame for somebody else is left of it.
        return octets, Arrival(length, None, other_host=tag.vid != 0)
    return octets, Arrival(length, tag)


def _outcome(answer: Reply | Drop) -> str:
    return answer.reason.value if isinstance(answer, Drop) else REPLIED


def _tags(frame: bytes, outermost: ethernet.Tag | None) -> tuple[list[ethernet.Tag], str]:
    """All tags, and the EtherType's name."""
    outer = [outermost] if outermost else []
    try:
        header = ethernet.decode_header(frame)
    except MalformedFrameError:
        return outer, ""
    return [*outer, *header.tags], ethernet.format_ethertype(header.ethertype)
