"""Transmit stamps in the messages of a socket's error queue."""

from __future__ import annotations

import socket
import struct

import pytest

from rawechod.packet.timestamps import Transmitted, from_message
from rawechod.probe.session import Plan, Session

SCM_TIMESTAMPING, SOL_PACKET, PACKET_TX_TIMESTAMP = 37, 263, 16
ENOMSG, ORIGIN_TIMESTAMPING = 42, 4
SECOND = 1_000_000_000


def message(frame: int, *stamps: tuple[int, int]) -> list[tuple[int, int, bytes]]:
    """As recvmsg tells it: struct scm_timestamping, struct sock_extended_err."""
    seconds = struct.pack("@6l", *(number for stamp in stamps for number in stamp))
    error = struct.pack("=IBBBBII", ENOMSG, ORIGIN_TIMESTAMPING, 0, 0, 0, 0, frame)
    return [(socket.SOL_SOCKET, SCM_TIMESTAMPING, seconds), (SOL_PACKET, PACKET_TX_TIMESTAMP, error)]


@pytest.mark.parametrize(
    ("stamps", "kernel", "hardware"),
    [
        (((3, 7), (0, 0), (0, 0)), 3 * SECOND + 7, 0),
        (((0, 0), (0, 0), (5, 9)), 0, 5 * SECOND + 9),
        (((0, 0), (1, 1), (0, 0)), 0, 0),
    ],
)
def test_message(stamps: tuple[tuple[int, int], ...], kernel: int, hardware: int) -> None:
    """The first of three stamps is the kernel's, the last the NIC's; which frame's is in the other part."""
    assert from_message(message(8, *stamps)) == Transmitted(8, kernel, hardware)


def test_messages_about_no_frame() -> None:
    """Of something else, or of nothing."""
    assert from_message([]).frame == -1
    assert from_message(message(8, *[(1, 1)] * 3)[:1]).frame == -1


def test_the_first_of_each_kind_counts() -> None:
    """Whatever the order in which the kernel's and the NIC's come, and how often."""
    for order in ([(11, 0), (12, 0), (0, 21), (0, 22)], [(0, 21), (11, 0), (0, 22), (12, 0)]):
        session = Session(Plan(1, SECOND, SECOND), 0)
        (number,) = session.due(0)
        session.left(5, 5, [0])
        for kernel, hardware in order:
            session.stamped(number, kernel, hardware)
        found = session.arrived(number, b"\2\0\0\0\0\x0b", 100)
        assert found
        assert (found.stamp, found.hardware_stamp) == (11, 21)
