"""The kernel runs our classic BPF programs on arbitrary frames, and agrees with the decoders."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from rawechod.packet.filter import hello_filter, probe_filter, responder_filter
from rawechod.packet.socket import SO_ATTACH_FILTER, _attach_filter
from rawechod.reasons import DropReason, MalformedFrameError
from rawechod.wire import echo, ethernet
from tests.unit import datagrams, frames
from tests.unit.frames import EX1, PAE, SESSION, eapol, frame, pdu
from tests.unit.mutants import AMOUNT, arbitrary

MAGIC = b"RE"
TAGS = [b"", bytes.fromhex("8100a064"), bytes.fromhex("88a80001 81000002")]
VALID = [
    frames.request(ethertype=ethertype, tags=tags, op=op)
    for ethertype in (EX1, PAE, 0x0800)
    for tags in TAGS
    for op in (1, 2)
]
Expected = Callable[[ethernet.Header, bytes], bool]


@pytest.fixture
def kernel() -> Iterator[Callable[[bytes], Callable[[bytes], bool]]]:
    """Attach a program; what comes back tells whether the kernel lets octets pass."""
    with datagrams.pair() as (near, far):

        def attach(program: bytes) -> Callable[[bytes], bool]:
            _attach_filter(near, program)
            return lambda octets: bool(far.send(octets) + 1 and datagrams.waiting(near))

        yield attach


def _pdu_at(header: ethernet.Header, body: bytes) -> bytes | None:
    """Where the magic says that a PDU begins."""
    if header.ethertype == PAE and body[1:2] == b"\xec" and body[4:6] == MAGIC:
        return body[4:]
    return body if header.ethertype >= 0x0600 and body[:2] == MAGIC else None


def _of_this_session(header: ethernet.Header, body: bytes) -> bool:
    pdu = _pdu_at(header, body)
    return bool(pdu and pdu[3:8] == b"\x02" + SESSION.to_bytes(4))


def _is_eap_request(body: bytes) -> bool:
    return body[1:2] == b"\0" and body[4:5] == b"\1"


PROGRAMS: dict[str, tuple[bytes, Expected]] = {
    "every EtherType": (responder_filter(3), lambda header, body: _pdu_at(header, body) is not None),
    "PAE": (responder_filter(PAE), lambda header, _: header.ethertype == PAE),
    "802_EX1": (responder_filter(EX1), lambda header, _: header.ethertype == EX1),
    "probe": (probe_filter(SESSION), _of_this_session),
    "probe that hears authenticators": (
        probe_filter(SESSION, authenticators=True),
        lambda header, body: _of_this_session(header, body) or (header.ethertype == PAE and _is_eap_request(body)),
    ),
}


@pytest.mark.parametrize(("program", "expected"), PROGRAMS.values(), ids=PROGRAMS)
def test_verdict_is_the_decoders(
    kernel: Callable[[bytes], Callable[[bytes], bool]], program: bytes, expected: Expected
) -> None:
    """Each frame passes exactly where header, magic, op and session say so; both occur often."""
    passes, verdicts = kernel(program), {True: 0, False: 0}
    for octets in arbitrary(VALID):
        try:
            header = ethernet.decode_header(octets)
        except MalformedFrameError:
            wanted = False
        else:
            wanted = expected(header, octets[header.length :])
        assert passes(octets) == wanted, octets.hex()
        verdicts[wanted] += 1
    assert min(verdicts.values()) > AMOUNT // 100


def test_no_valid_request_is_lost(kernel: Callable[[bytes], Callable[[bytes], bool]]) -> None:
    """With every EtherType what the decoder reads passes, and what it refuses for version or op."""
    passes, counted = kernel(responder_filter(ethernet.ETH_P_ALL)), 0
    for octets in arbitrary(VALID):
        try:
            echo.decode_frame(octets)
        except MalformedFrameError as error:
            if error.reason not in (DropReason.BAD_VERSION, DropReason.BAD_OP):
                continue
        assert passes(octets), octets.hex()
        counted += 1
    assert counted > AMOUNT // 100


def test_filter_is_locked(kernel: Callable[[bytes], Callable[[bytes], bool]]) -> None:
    """Nobody replaces it on that socket."""
    with datagrams.pair() as (near, _):
        _attach_filter(near, responder_filter(EX1))
        with pytest.raises(PermissionError):
            _attach_filter(near, responder_filter(PAE))
        with pytest.raises(PermissionError):
            near.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER + 1, 0)  # SO_DETACH_FILTER


def test_hello_filter() -> None:
    """The tutorial's frames under ETH_P_ALL have no header, so all pass; else the EtherType decides."""
    assert hello_filter(ethernet.ETH_P_ALL) is None
    assert hello_filter(PAE) == responder_filter(PAE)


@pytest.mark.parametrize("tags", [b"", bytes.fromhex("81000064"), bytes.fromhex("88a80001 81000002")])
def test_a_probe_may_hear_authenticators(kernel: Callable[[bytes], Callable[[bytes], bool]], tags: bytes) -> None:
    """EAP requests pass where they are wanted, no other EAP or EAPOL frame does, and replies do as ever."""
    wanted = kernel(probe_filter(SESSION, authenticators=True))
    assert wanted(frame(eapol(b"\1\1\0\5\1", 0), ethertype=PAE, tags=tags))
    for body in (eapol(b"\2\1\0\5\1", 0), eapol(b"\1\1\0\5\1", 3), eapol(b"", 1)):
        assert not wanted(frame(body, ethertype=PAE, tags=tags))
    assert not wanted(frame(eapol(b"\1\1\0\5\1", 0), ethertype=EX1, tags=tags))
    assert wanted(frame(eapol(pdu(op=2)), ethertype=PAE, tags=tags))
