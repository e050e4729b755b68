"""Round trips and one-way delays from stamps, good and bad ones."""

from __future__ import annotations

import pytest

from rawechod.probe.codec import Seen
from rawechod.probe.session import Match, Verdict
from rawechod.probe.timing import Timing, one_way, timing

T1 = 1_005_000
"""When the request was handed to the kernel, by the system's clock."""
STAMP = T1 + 10
MAC = bytes.fromhex("02000000000b")


def seen(residence: int = 0, t2: int = 0) -> Seen:
    """A reply with these stamps."""
    return Seen(1, MAC, residence, None, 1, t2=t2)


def match(stamp: int = STAMP, hardware_stamp: int = 0) -> Match:
    """Sent at T1, received 100 ns later by our own clock."""
    return Match(Verdict.REPLY, 1, 100, False, True, T1, stamp, hardware_stamp)


@pytest.mark.parametrize(
    ("stamp", "received_at", "rtt", "stamped"),
    [
        (STAMP, STAMP + 60, 60, True),
        (STAMP, STAMP, 0, True),
        (STAMP, STAMP + 100, 100, True),
        # Without a transmit stamp, or one that makes sense, from t1 on.
        (0, STAMP + 60, 70, False),
        (STAMP, STAMP - 1, 9, False),
        (STAMP, 0, 100, False),
        # A clock that was stepped back, one that was stepped forward, a nonsense stamp.
        (STAMP, T1 - 1, 100, False),
        (STAMP, STAMP + 101, 100, False),
        (STAMP, STAMP + 278_000_000, 100, False),
    ],
)
def test_round_trip(stamp: int, received_at: int, rtt: int, stamped: bool) -> None:
    """Between the kernel's stamps where they lie within our own bracket, else the bracket."""
    assert timing(seen(), match(stamp), received_at) == Timing(rtt, 0, stamped)


NIC = 77_000
"""A time of the NIC's clock, which has an epoch of its own."""
KERNEL = (60, True, False)
"""What the kernel's stamps give: the round trip, whether they were used, whether the NIC's were."""


@pytest.mark.parametrize(
    ("left", "came", "told"),
    [
        (NIC, NIC + 42, (42, False, True)),
        (NIC, NIC, (0, False, True)),
        (NIC, NIC + 100, (100, False, True)),
        # One is missing, or both; a clock that was stepped, one way and the other.
        (0, NIC + 42, KERNEL),
        (NIC, 0, KERNEL),
        (0, 0, KERNEL),
        (NIC, NIC - 1, KERNEL),
        (NIC, NIC + 101, KERNEL),
    ],
)
def test_round_trip_by_hardware(left: int, came: int, told: tuple[int, bool, bool]) -> None:
    """Between the NIC's stamps where they lie within our own bracket, else as without them."""
    times = timing(seen(), match(hardware_stamp=left), STAMP + 60, came)
    assert (times.rtt, times.kernel_stamped, times.hardware_stamped) == told


def test_no_kernel_stamps_beside_those_of_hardware() -> None:
    """They are not needed; and without sense in either, the bracket is left."""
    times = timing(seen(20), match(0, NIC), 0, NIC + 42)
    assert (times.rtt, times.residence, times.hardware_stamped) == (22, 20, True)
    assert timing(seen(), match(0, NIC), 0, NIC + 101) == Timing(100, 0, False)


@pytest.mark.parametrize(("residence", "rtt", "told"), [(20, 40, 20), (60, 0, 60), (61, 60, 0), (10**9, 60, 0)])
def test_residence(residence: int, rtt: int, told: int) -> None:
    """Subtracted where it fits into the round trip: never a negative time."""
    unusable = residence > 60
    assert timing(seen(residence), match(), STAMP + 60) == Timing(rtt, told, True, unusable=unusable)


def test_one_way_between_kernel_stamps() -> None:
    """There by t2 and the transmit stamp, back by the receive stamp and when the reply left."""
    reply, found, came = seen(20, t2=STAMP + 30), match(), STAMP + 60
    times = one_way(timing(reply, found, came), reply, found, came)
    assert (times.forward, times.backward) == (30, 10)


def test_one_way_beside_stamps_of_hardware() -> None:
    """The NIC's clock is another one: its stamps are for the round trip, the kernel's for the ways."""
    reply, found, came = seen(20, t2=STAMP + 30), match(hardware_stamp=NIC), STAMP + 60
    times = one_way(timing(reply, found, came, NIC + 42), reply, found, came)
    assert (times.rtt, times.forward, times.backward, times.hardware_stamped) == (22, 30, 10, True)


def test_one_way_of_clocks_that_disagree() -> None:
    """Nothing is hidden: one of them is negative."""
    reply, found, came = seen(20, t2=STAMP - 1000), match(), STAMP + 60
    times = one_way(timing(reply, found, came), reply, found, came)
    assert (times.forward, times.backward) == (-1000, 1040)


def test_one_way_without_kernel_stamps() -> None:
    """Our own times stand in."""
    reply, found = seen(20, t2=T1 + 30), match(0)
    times = one_way(timing(reply, found, 0), reply, found, 0)
    assert (times.forward, times.backward) == (30, 50)


DAY = 86_400 * 10**9
NOW = 4 * 10**18


@pytest.mark.parametrize("stamp", [1, NOW - DAY - 101, NOW + DAY + 1, 2**64 - 1])
def test_one_way_of_no_clock(stamp: int) -> None:
    """Stamps of another day tell nothing but that they are of no use."""
    reply, found = seen(1, t2=stamp), match(0)._replace(t1=NOW)
    times = one_way(timing(reply, found, 0), reply, found, 0)
    assert (times.forward, times.backward, times.unusable) == (None, None, True)


@pytest.mark.parametrize("stamp", [NOW - DAY + 101, NOW + DAY - 101])
def test_one_way_of_a_clock_that_is_far_off(stamp: int) -> None:
    """One that somebody set to another time zone is told as it is."""
    reply, found = seen(1, t2=stamp), match(0)._replace(t1=NOW)
    times = one_way(timing(reply, found, 0), reply, found, 0)
    assert (times.forward, times.unusable) == (stamp - NOW, False)


def test_no_one_way_without_the_responders_stamps() -> None:
    """A responder that does not stamp tells no direction."""
    found = match()
    times = one_way(timing(seen(), found, STAMP + 60), seen(), found, STAMP + 60)
    assert (times.forward, times.backward) == (None, None)
