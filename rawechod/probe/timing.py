"""From a reply's stamps to its times. PURE.

initiator                    responder
match.t1, stamp   ---->  t2
                         |  residence
received_at, now  <----
"""

from __future__ import annotations

from typing import NamedTuple

from rawechod.probe.codec import Seen
from rawechod.probe.session import Match

MOST_APART = 86_400 * 1_000_000_000
"""A day in nanoseconds: a clock that is further away was never set, or is none."""


class Timing(NamedTuple):
    """A reply's times, nanoseconds."""

    rtt: int
    """Round trip without the responder's residence."""
    residence: int
    """0 = not stamped, or impossible."""
    kernel_stamped: bool
    """rtt is between the kernel's stamps."""
    forward: int | None = None
    """One way there by both sides' clocks, negative where these disagree; None = not asked for, not stamped."""
    backward: int | None = None
    hardware_stamped: bool = False
    """rtt is between the NIC's stamps."""
    unusable: bool = False
    """The responder stamped what can't be: a residence longer than the round trip, a time of another day."""


def timing(seen: Seen, match: Match, received_at: int, hardware_at: int = 0) -> Timing:
    """The round trip, between the NIC's stamps, else the kernel's, where both are there and make sense.

    They make sense within the bracket that we measured ourselves, before sending and after receiving, on a
    clock that never steps; so does a residence within the round trip. Without a transmit stamp it begins with
    t1, and where that makes no sense it is the bracket.
    """
    bracket, t1, stamp = match.rtt, match.t1, match.stamp
    if hardware_at and _fits(match.hardware_stamp, hardware_at, bracket):
        return _timing(hardware_at - match.hardware_stamp, seen.residence, False, True)
    if stamp and _fits(stamp, received_at, bracket):
        return _timing(received_at - stamp, seen.residence, True, False)
    since_t1 = received_at - t1
    fits = t1 and received_at and 0 <= since_t1 <= bracket
    return _timing(since_t1 if fits else bracket, seen.residence, False, False)


def _timing(rtt: int, residence: int, kernel: bool, hardware: bool) -> Timing:
    if residence > rtt:
        return Timing(rtt, 0, kernel, None, None, hardware, True)
    return Timing(rtt - residence, residence, kernel, None, None, hardware)


def _fits(left: int, came: int, bracket: int) -> bool:
    """Whether there are two stamps, in order and no further apart than this."""
    return bool(left and came) and 0 <= came - left <= bracket


def one_way(given: Timing, seen: Seen, match: Match, received_at: int) -> Timing:
    """The same with the one-way delays.

    The NIC's stamps are of no use here: nobody knows how far its clock is from the responder's.
    """
    if not (seen.t2 and seen.residence and match.t1):
        return given
    left = match.stamp if _fits(match.stamp, received_at, match.rtt) else match.t1
    came = received_at if _fits(left, received_at, match.rtt) else match.t1 + match.rtt
    forward, backward = seen.t2 - left, came - (seen.t2 + seen.residence)
    if max(abs(forward), abs(backward)) > MOST_APART:
        return given._replace(unusable=True)
    return given._replace(forward=forward, backward=backward)
