"""What `mode = "echo"` does not answer, and the reason that it counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from rawechod.echo.reflector import Drop, Policy, Reflector, Reply
from rawechod.reasons import DropReason
from rawechod.wire import ethernet
from tests.unit.frames import NOW, OTHER, OWN, PAE, PEER, arrival, eapol, frame, pdu, request

POLICY = Policy(ethernet.ETH_P_802_EX1, OWN, mtu=1500)
ALL = replace(POLICY, ethertype=ethernet.ETH_P_ALL)
ON_PAE = replace(POLICY, ethertype=PAE)
ON_LO = Policy(ethernet.ETH_P_ALL, bytes(6), 65536, loopback_device=True)
TAGGED = replace(POLICY, protocol_bound=True)
GROUP, LLDP = bytes.fromhex("01005e000001"), bytes.fromhex("0180c200000e")
QINQ = bytes.fromhex("88a80001 81000002")
Q, S = bytes.fromhex("81000002"), bytes.fromhex("88a80001")


class Case(NamedTuple):
    """A frame, what the kernel says of it, and who gets it."""

    octets: bytes
    policy: Policy = POLICY
    told: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it


def _case(reason: DropReason, *case: Any, **told: Any) -> tuple[DropReason, Case]:
    return reason, Case(*case, **told)


CASES = {
    "no header": _case(DropReason.TOO_SHORT, OWN + PEER),
    "header alone": _case(DropReason.TOO_SHORT, frame(b"")),
    "tag cut": _case(DropReason.TOO_SHORT, OWN + PEER + b"\x81\x00\x00"),
    "PDU cut": _case(DropReason.TOO_SHORT, request(payload=b"")[:-1]),
    "envelope cut": _case(DropReason.TOO_SHORT, frame(b"\x03\xec\x00", ethertype=PAE), ON_PAE),
    "PDU in the envelope cut": _case(DropReason.TOO_SHORT, frame(eapol(pdu()[:45]), ethertype=PAE), ON_PAE),
    "padding is no PDU": _case(DropReason.TOO_SHORT, frame(eapol(b"") + pdu(), ethertype=PAE), ON_PAE),
    "another EtherType": _case(DropReason.FOREIGN, request(ethertype=0x88B6)),
    "PAE on 802_EX1": _case(DropReason.FOREIGN, request(ethertype=PAE)),
    "802_EX1 on PAE": _case(DropReason.FOREIGN, request(), ON_PAE),
    "an 802.3 length": _case(DropReason.FOREIGN, request(ethertype=46), ALL),
    "real EAPOL": _case(DropReason.FOREIGN, frame(eapol(b"\1\0\0\5\1", 0), ethertype=PAE), ON_PAE),
    "real EAPOL with all": _case(DropReason.FOREIGN, frame(eapol(b"", 1), ethertype=PAE), ALL),
    "EAPOL body too long": _case(DropReason.BAD_LENGTH, frame(eapol(pdu(), length=200), ethertype=PAE), ON_PAE),
    "magic": _case(DropReason.BAD_MAGIC, request(magic=0x5246)),
    "three tags": _case(DropReason.BAD_MAGIC, request(tags=QINQ + Q), ALL),
    "version 0": _case(DropReason.BAD_VERSION, request(version=0)),
    "version 1": _case(DropReason.BAD_VERSION, request(version=1)),
    "version 3": _case(DropReason.BAD_VERSION, request(version=3)),
    "op 0": _case(DropReason.BAD_OP, request(op=0)),
    "op 3": _case(DropReason.BAD_OP, request(op=3)),
    "reply": _case(DropReason.PROBE_REPLY, request(op=2)),
    "reply to a group": _case(DropReason.REPLY, request(op=2, dst=ethernet.BROADCAST)),
    "reply under PAE": _case(DropReason.PROBE_REPLY, request(op=2, ethertype=PAE), ON_PAE),
    "reply on lo": _case(DropReason.PROBE_REPLY, request(op=2, dst=bytes(6), src=bytes(6)), ON_LO),
    "our source": _case(DropReason.OWN_FRAME, request(src=OWN, dst=ethernet.BROADCAST)),
    "our source and destination": _case(DropReason.OWN_FRAME, request(src=OWN)),
    "our reply, returned": _case(DropReason.OWN_FRAME, request(op=2, src=OWN, dst=PEER)),
    "outgoing": _case(DropReason.OWN_FRAME, request(), told={"outgoing": True}),
    "outgoing on lo": _case(DropReason.OWN_FRAME, request(dst=bytes(6), src=bytes(6)), ON_LO, {"outgoing": True}),
    "outgoing and foreign": _case(DropReason.OWN_FRAME, frame(bytes(46)), ALL, {"outgoing": True}),
    "zero source": _case(DropReason.BAD_SOURCE, request(src=bytes(6))),
    "group source": _case(DropReason.BAD_SOURCE, request(src=GROUP)),
    "broadcast source": _case(DropReason.BAD_SOURCE, request(src=ethernet.BROADCAST)),
    "group source on lo": _case(DropReason.BAD_SOURCE, request(dst=bytes(6), src=GROUP), ON_LO),
    "another destination": _case(DropReason.NOT_FOR_US, request(dst=OTHER)),
    "another group": _case(DropReason.NOT_FOR_US, request(dst=GROUP), ALL),
    "LLDP's group": _case(DropReason.NOT_FOR_US, request(dst=LLDP), ALL),
    "the PAE group on 802_EX1": _case(DropReason.NOT_FOR_US, request(dst=ethernet.PAE_GROUP)),
    "zero destination": _case(DropReason.NOT_FOR_US, request(dst=bytes(6))),
    "another destination on lo": _case(DropReason.NOT_FOR_US, request(dst=OTHER), ON_LO),
    "not in allow": _case(DropReason.NOT_ALLOWED, request(), replace(POLICY, allow=frozenset({OTHER}))),
    "one octet above the MTU": _case(DropReason.TOO_LONG, request(payload=bytes(1455))),
    "above the MTU with a tag inside": _case(DropReason.TOO_LONG, request(payload=bytes(1455), tags=Q), ALL),
    "cut by the buffer": _case(DropReason.TOO_LONG, request(payload=bytes(1400)), told={"length": 9000}),
    "GRO giant beside a tag": _case(
        DropReason.TOO_LONG, request(payload=bytes(3000)), told={"tag": ethernet.Tag(0x8100, 5)}
    ),
    "no room for an S-tag": _case(DropReason.TOO_LONG, request(payload=bytes(1451), tags=S), ALL),
    "no room for an S-tag beside it": _case(
        DropReason.TOO_LONG, request(payload=bytes(1454)), ALL, {"tag": ethernet.Tag(0x88A8, 5)}
    ),
    "room for one tag of two": _case(
        DropReason.TOO_LONG, request(payload=bytes(1454), tags=Q), ALL, {"tag": ethernet.Tag(0x8100, 5)}
    ),
    "group's tag taken away": _case(
        DropReason.TAG_LOST, request(dst=ethernet.BROADCAST), TAGGED, {"other_host": True}
    ),
    "tag taken away": _case(DropReason.TAG_LOST, request(), TAGGED, {"other_host": True}),
}


@pytest.mark.parametrize(("reason", "case"), CASES.values(), ids=CASES)
def test_drop(reason: DropReason, case: Case) -> None:
    """The frame is dropped under its reason."""
    reflector = Reflector(case.policy)
    assert reflector.reflect(case.octets, arrival(case.octets, **case.told), NOW) == Drop(reason)


def test_every_reason_is_tried() -> None:
    """The table has all reasons that need the frame and its metadata alone; limits and errno come elsewhere."""
    elsewhere = {DropReason.RATE_LIMIT, DropReason.PEER_RATE_LIMIT, DropReason.TRANSMIT_ERROR, DropReason.STORM}
    assert {reason for reason, _ in CASES.values()} == set(DropReason) - elsewhere


ANSWERED = {
    "unicast": Case(request()),
    "broadcast": Case(request(dst=ethernet.BROADCAST)),
    "the PAE group under PAE": Case(request(dst=ethernet.PAE_GROUP, ethertype=PAE), ON_PAE),
    "the PAE group with all": Case(request(dst=ethernet.PAE_GROUP), ALL),
    "broadcast under PAE": Case(request(dst=ethernet.BROADCAST, ethertype=PAE), ON_PAE),
    "allowed": Case(request(), replace(POLICY, allow=frozenset({OTHER, PEER}))),
    "the MTU": Case(request(payload=bytes(1454))),
    "the MTU with a tag inside": Case(request(payload=bytes(1454), tags=Q), ALL),
    "the MTU beside a tag": Case(request(payload=bytes(1454)), ALL, {"tag": ethernet.Tag(0x8100, 5)}),
    "other-host unicast on an unbound socket": Case(request(), told={"other_host": True}),
    "ours on a bound socket": Case(request(), TAGGED),
    "zero addresses on lo": Case(request(dst=bytes(6), src=bytes(6)), ON_LO),
    "EAPOL padding": Case(frame(eapol(pdu()) + bytes(20), ethertype=PAE), ON_PAE),
    "the smallest EtherType": Case(request(ethertype=0x0600), ALL),
    "IPv4's EtherType": Case(request(ethertype=0x0800), ALL),
}


@pytest.mark.parametrize("case", ANSWERED.values(), ids=ANSWERED)
def test_near_misses_are_answered(case: Case) -> None:
    """What lies just this side of each rule gets its reply."""
    reflector = Reflector(case.policy)
    answer = reflector.reflect(case.octets, arrival(case.octets, **case.told), NOW)
    assert isinstance(answer, Reply)


@pytest.mark.parametrize(("first", "then"), [(OWN, OTHER), (OTHER, OWN)])
def test_adopting_another_mac(first: bytes, then: bytes) -> None:
    """After a change of the MAC the new one is ours and the old one is not."""
    reflector = Reflector(replace(POLICY, own_mac=first))
    reflector.adopt(replace(POLICY, own_mac=then))
    old, new = request(dst=first), request(dst=then)
    assert reflector.reflect(old, arrival(old), NOW) == Drop(DropReason.NOT_FOR_US)
    assert isinstance(reflector.reflect(new, arrival(new), NOW), Reply)
