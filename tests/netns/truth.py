"""What a run of requests really met, from the scripted cable's log alone; and where a summary says otherwise."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby, zip_longest
from typing import Any, NamedTuple

from tests.lab import MAC_A, MAC_B
from tests.netns.cable import Passage
from tests.netns.frames import DOT1AD, DOT1Q, EAPOL_ECHO, EX1, MAGIC, PAE, REPLY, REQUEST, Pdu, mac

SECOND = 1_000_000_000
MARGIN = SECOND // 50
"""So much earlier or later, and nobody outside can say how the prober saw it, nanoseconds."""
_SMALLEST_ETHERTYPE = 0x600
_GROUP = 1
_ADDRESSES = 12
_T1 = struct.Struct("!Q")


class _Pdu(NamedTuple):
    """An Echo PDU that would be understood."""

    op: int
    session: int
    seq: int
    t1: int
    header: bytes
    """From behind the addresses up to the PDU."""


def _pdu(head: bytes) -> _Pdu | None:
    """What is to be understood in a frame; None = not an Echo PDU of this version."""
    at = _ADDRESSES
    while (ethertype := int.from_bytes(head[at : at + 2])) in (DOT1Q, DOT1AD):
        at += 4
    at += 2
    if ethertype == PAE:
        if head[at + 1 : at + 2] != bytes([EAPOL_ECHO]):
            return None
        at += 4
    wanted = MAGIC.to_bytes(2) + bytes([Pdu().version])
    if ethertype < _SMALLEST_ETHERTYPE or head[at : at + 3] != wanted or len(head) < at + len(Pdu().octets()):
        return None
    session, seq = struct.unpack_from("!II", head, at + 4)
    (t1,) = _T1.unpack_from(head, at + 16)
    return _Pdu(head[at + 3], session, seq, t1, head[_ADDRESSES:at])


@dataclass(frozen=True, slots=True)
class Run:
    """What must be known of a run beside the log."""

    timeout: int
    """Nanoseconds."""
    duration: int
    """From the first request to the end, nanoseconds: what came later was not waited for."""
    ethertype: int | None = EX1
    """The listener's; None = every one."""
    initiator: str = MAC_A
    responder: str = MAC_B


@dataclass(frozen=True, slots=True)
class Truth:
    """Requests by what became of them, each in one of the first seven; and replies."""

    received: int
    """Their first reply came in time."""
    late: int
    """It came after the timeout."""
    forward: int
    """No copy that the responder would take for this request reached it."""
    backward: int
    """The responder answered, and none of its answers reached the initiator as one."""
    unanswered: int
    """It reached the responder, which did not answer."""
    either: int
    """It did not reach the responder, but another one did that had this number by corruption; or it did, with
    another source."""
    open: int
    """A copy or a reply was still on its way when the run ended."""
    duplicates: int
    """Further replies to a request, also to one whose first reply was late."""
    reordered: int
    """First replies in time, to a lower number than one before."""
    corrupted: int
    """Replies to a request that are not as they should be."""
    forgotten: int
    """Replies after the timeout with another t1 than the request's: the initiator need not remember it."""
    unexpected: int
    """Replies to a request that was never sent."""
    strangers: int
    """Replies from another MAC than the responder's."""
    outages: tuple[int, ...]
    """How many consecutive requests had no reply in time, each time that one had none."""
    doubts: tuple[str, ...]
    """What came so close to a limit that nobody outside can say on which side of it the initiator saw it."""

    @property
    def sent(self) -> int:
        """Requests that the cable heard."""
        return self.received + self.lost

    @property
    def lost(self) -> int:
        """Those without a reply in time."""
        return self.late + self.forward + self.backward + self.unanswered + self.either + self.open


class _Request(NamedTuple):
    t1: int
    left_at: int
    payload: int
    header: bytes
    length: int


class _Reply(NamedTuple):
    """A reply as it left the cable towards the initiator."""

    at: int
    pdu: _Pdu
    dst: bytes
    payload: int
    length: int


class _Seeker:
    """Goes through one run's log."""

    def __init__(self, log: Iterable[Passage], run: Run) -> None:
        self._run = run
        self._there = [passage for passage in log if passage.way == "there" and passage.op == REQUEST]
        self._back = [passage for passage in log if passage.way == "back" and passage.op == REPLY]
        self._session = self._there[0].session
        self._requests = self._find_requests()
        self._times = {request.t1 for request in self._requests.values()}
        self._ends = min(request.t1 for request in self._requests.values()) + run.duration
        self._counts: dict[str, int] = defaultdict(int)
        self._doubts: list[str] = []
        self._settled: dict[int, int] = {}
        """When the first reply to a request came; 0 = after the timeout."""

    def _find_requests(self) -> dict[int, _Request]:
        found = {}
        for one in self._there:
            # Of a frame that is logged as it left, what the script altered in the header is not as it came.
            if one.session == self._session and one.seq not in found:
                header = (_pdu(one.head) or _NO_PDU).header
                found[one.seq] = _Request(one.t1, one.received_at, one.payload_came, header, one.length)
        return found

    def replies(self) -> Iterator[_Reply]:
        """Those that an initiator would take for one of its session, in their order of arrival, up to the end."""
        for one in sorted((one for one in self._back if one.sent_at), key=lambda one: one.sent_at):
            pdu = _pdu(one.head)
            if pdu is None or pdu.op != REPLY or pdu.session != self._session:
                continue
            if one.sent_at > self._ends:
                self._doubt_at_end(one.sent_at, pdu.seq)
                continue
            if one.head[6:12] != mac(self._run.responder):
                self._counts["strangers"] += 1
                continue
            yield _Reply(one.sent_at, pdu, one.head[:6], one.payload_left, one.length)

    def seek(self) -> Truth:
        """All of it."""
        highest = 0
        for reply in self.replies():
            number = reply.pdu.seq
            request = self._requests.get(number)
            misnumbered = request and reply.pdu.t1 != request.t1 and reply.pdu.t1 in self._times
            if request and misnumbered and abs(request.left_at - reply.at) < MARGIN:
                self._doubts.append(f"a reply with the wrong number {number} came when that was sent")
            if request is None or request.left_at > reply.at:
                self._counts["unexpected"] += 1
                continue
            in_time = self._in_time(number, request, reply)
            self._judge(request, reply, in_time)
            if number in self._settled:
                self._doubt_at_end(reply.at, number)
                self._counts["duplicates"] += 1
                continue
            self._settled[number] = reply.at if in_time else 0
            self._counts["received" if in_time else "late"] += 1
            self._counts["reordered"] += in_time and number < highest
            highest = max(highest, number) if in_time else highest
        self._find_directions()
        names = {field.name for field in fields(Truth)} - {"doubts", "outages"}
        counts = {name: self._counts[name] for name in names}
        return Truth(**counts, outages=tuple(self._outages()), doubts=tuple(self._doubts))

    def _outages(self) -> Iterator[int]:
        for answered, numbers in groupby(
            range(1, max(self._requests) + 1), lambda each: bool(self._settled.get(each))
        ):
            if not answered:
                yield len(list(numbers))

    def _doubt_at_end(self, at: int, number: int) -> None:
        """The last first reply is waited for; of others nobody knows whether they were still heard."""
        if abs(at - self._ends) < MARGIN:
            self._doubts.append(f"a reply to {number} came when the run ended")

    def _in_time(self, number: int, request: _Request, reply: _Reply) -> bool:
        longest, shortest = reply.at - request.t1, reply.at - request.left_at
        if longest > self._run.timeout - MARGIN and shortest < self._run.timeout + MARGIN:
            self._doubts.append(f"the reply to {number} came at the timeout")
        return longest < self._run.timeout

    def _judge(self, request: _Request, reply: _Reply, in_time: bool) -> None:
        same = reply.dst == mac(self._run.initiator) and reply.pdu.header == self._header
        if not same or reply.payload != request.payload or reply.length != request.length:
            self._counts["corrupted"] += 1
        elif reply.pdu.t1 != request.t1:
            self._counts["corrupted" if in_time else "forgotten"] += 1

    @property
    def _header(self) -> bytes:
        """EtherType and tags as most requests have them: the script alters few."""
        headers = [request.header for request in self._requests.values()]
        return max(set(headers), key=headers.count)

    def _find_directions(self) -> None:
        reached, forged, on_the_way = self._reached()
        answered = {one.seq for one in self._back if one.session == self._session}
        on_the_way |= {one.seq for one in self._back if self._is_open(one)}
        for number in self._requests.keys() - self._settled.keys():
            if number in on_the_way:
                self._counts["open"] += 1
            elif number not in reached:
                self._counts["either" if number in forged else "forward"] += 1
            else:
                self._counts["backward" if number in answered else "unanswered"] += 1

    def _is_open(self, one: Passage) -> bool:
        held = not one.sent_at and not one.dropped and not one.error
        return held or one.sent_at > self._ends - MARGIN

    def _reached(self) -> tuple[set[int], set[int], set[int]]:
        """Numbers of the requests that reached the responder, that seemed to, and that might have."""
        reached: set[int] = set()
        forged: set[int] = set()
        on_the_way: set[int] = set()
        for one in self._there:
            number = self._valid(one)
            if number is None:
                continue
            if self._is_open(one):
                on_the_way.add(number)
            elif one.sent_at:
                # From another source it is another session's there, and its own one's by its number.
                same_source = one.head[6:12] == mac(self._run.initiator)
                genuine = same_source and one.session == self._session and one.seq == number
                (reached if genuine else forged).add(number)
        return reached, forged, on_the_way

    def _valid(self, one: Passage) -> int | None:
        """The number of the request that the responder would take this for."""
        pdu, src = _pdu(one.head), one.head[6:12]
        if pdu is None or pdu.op != REQUEST or pdu.session != self._session:
            return None
        ethertype = int.from_bytes(pdu.header[:2]) if pdu.header[:2] != DOT1Q.to_bytes(2) else None
        if self._run.ethertype not in (None, ethertype):
            return None
        addressed = one.head[:6] == mac(self._run.responder) and src != mac(self._run.responder)
        return pdu.seq if addressed and not src[0] & _GROUP else None


_NO_PDU = _Pdu(0, 0, 0, 0, b"")


def seek(log: Iterable[Passage], run: Run) -> Truth:
    """What became of the requests in this log: those of the session whose request came first."""
    return _Seeker(list(log), run).seek()


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A figure of a summary that is not true."""

    figure: str
    told: int
    true: str

    def __str__(self) -> str:
        return f"{self.figure}: told {self.told}, true {self.true}"


PARTS = ("lost_forward", "lost_backward", "lost_responder", "lost_here", "late", "lost_undetermined")
MOST_OUTAGES = 100
"""A summary lists no more."""


def disagreements(summary: Mapping[str, Any], truth: Truth) -> list[Disagreement]:
    """Where a summary does not say what happened: counts are exact, no direction claims more than there were."""
    told = {key: value for key, value in summary.items() if isinstance(value, int)}
    told["the parts of lost"] = sum(told[part] for part in PARTS)
    refused = sum(summary["send_errors"].values())
    nowhere = truth.either + truth.open
    misnumbered = truth.corrupted + truth.unexpected
    return [
        *_exactly(told, sent=truth.sent + refused, received=truth.received, lost=truth.lost + refused),
        *_exactly(told, late=truth.late, duplicates=truth.duplicates, reordered=truth.reordered),
        *_exactly(told, strangers=truth.strangers, lost_responder=0, lost_here=refused),
        *_exactly(told, longest_loss_run=max(truth.outages, default=0)),
        *_within(told, "corrupted", misnumbered, misnumbered + truth.forgotten),
        *_within(told, "lost_forward", 0, truth.forward + nowhere),
        *_within(told, "lost_backward", 0, truth.backward + truth.unanswered + nowhere),
        *_within(told, "the parts of lost", told["lost"], told["lost"]),
        *_outages(summary["outages"], truth),
    ]


def _outages(told: Sequence[Mapping[str, int]], truth: Truth) -> list[Disagreement]:
    pairs = list(zip_longest((outage["requests"] for outage in told), truth.outages))
    wrong = [number for number, (one, other) in enumerate(pairs, 1) if one != other]
    if len(truth.outages) > MOST_OUTAGES or not wrong:
        return []
    where = f"{len(truth.outages)}; that with the number {wrong[0]} had {pairs[wrong[0] - 1][1]} requests"
    return [Disagreement("outages", len(told), where)]


def _exactly(told: Mapping[str, int], **true: int) -> list[Disagreement]:
    return [wrong for key, value in true.items() for wrong in _within(told, key, value, value)]


def _within(told: Mapping[str, int], figure: str, low: int, high: int) -> list[Disagreement]:
    if low <= told[figure] <= high:
        return []
    return [Disagreement(figure, told[figure], f"{low} to {high}" if low < high else str(low))]
