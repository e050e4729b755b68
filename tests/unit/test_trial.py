"""What the driver's counters prove of native XDP, and where it may be tried."""

from __future__ import annotations

import errno

import pytest

from rawechod import driver
from rawechod.echo.trial import PATIENCE, Counts, Period, Verdict, judge, refusal, refused

VETH = {"rx_queue_0_xdp_tx": 6, "rx_queue_0_xdp_tx_errors": 2, "rx_queue_1_xdp_tx_errors": 1}
VETH |= {"tx_queue_0_xdp_xmit": 7, "tx_queue_0_xdp_xmit_errors": 7}
VIRTIO = {"rx_xdp_tx": 5, "rx_xdp_drops": 9, "tx_xdp_tx": 4, "tx_xdp_tx_drops": 2, "rx0_xdp_tx": 5}
VIRTIO |= {"tx0_xdp_tx": 4, "tx0_xdp_tx_drops": 2}
OLD_VIRTIO = {"rx_queue_0_xdp_tx": 9, "tx_queue_0_xdp_tx": 3, "tx_queue_1_xdp_tx": 4, "tx_queue_1_xdp_tx_drops": 1}
MLX5 = {"rx_xdp_tx_xmit": 8, "rx_xdp_tx_full": 2, "rx_xdp_tx_err": 1, "rx_xdp_tx_cqe": 8, "rx_xdp_drop": 9}
MLX5 |= {"rx0_xdp_tx_full": 2, "rx0_xdp_tx_err": 1, "rx0_xdp_tx_cqes": 8, "tx_xdp_xmit": 9, "tx_xdp_err": 9}


@pytest.mark.parametrize(
    ("period", "doubted_for", "verdict"),
    [
        ((0, 0, 0), 0, Verdict.NOTHING),
        ((0, 90, 0), PATIENCE, Verdict.NOTHING),
        ((1, 1, 0), 0, Verdict.PROVED),
        ((1, 90, 0), 0, Verdict.PROVED),
        ((10, 5, 5), 0, Verdict.PROVED),
        ((1, 0, 1), 0, Verdict.DISPROVED),
        ((10, 90, 6), 0, Verdict.DISPROVED),
        ((1, 0, 0), 0, Verdict.DOUBTED),
        ((10, 4, 5), PATIENCE - 1, Verdict.DOUBTED),
        ((10, 4, 0), PATIENCE, Verdict.DISPROVED),
        ((10, 5, 0), PATIENCE, Verdict.PROVED),
    ],
)
def test_verdicts(period: tuple[int, int, int], doubted_for: int, verdict: Verdict) -> None:
    """Failures that the driver counts disprove at once, its silence after a second; most of the answers decide."""
    assert judge(Period(*period), doubted_for) is verdict


@pytest.mark.parametrize(
    ("period", "lost"), [((5, 5, 0), 0), ((5, 90, 0), 0), ((5, 1, 0), 4), ((5, 90, 3), 3), ((5, 0, 9), 5)]
)
def test_lost_answers(period: tuple[int, int, int], lost: int) -> None:
    """Whichever counter tells of more, but never more than were claimed."""
    assert Period(*period).lost == lost


@pytest.mark.parametrize(
    ("before", "after", "period"),
    [
        ((1, 2, 0, 3), (9, 8, 0, 7), Period(8, 6, 4)),
        ((3, 2000, 0, 0), (6, 2001, 3, 0), Period(3, 3, 0)),  # virtio_net with several queues, mlx5
        ((3, 2000, 3, 0), (6, 2004, 5, 0), Period(3, 4, 0)),
        ((3, 2000, 0, 0), (6, 7, 0, 0), None),
        ((3, 7, 5, 0), (6, 10, 2, 0), None),
        ((3, 7, 5, 9), (6, 10, 8, 1), None),
    ],
)
def test_between_two_moments(
    before: tuple[int, int, int, int], after: tuple[int, int, int, int], period: Period | None
) -> None:
    """The larger increment of the two that count sent frames; nothing where the driver has begun to count anew."""
    assert Counts(*after).since(Counts(*before)) == period


@pytest.mark.parametrize(
    ("names", "failed"), [(VETH, 3), (VIRTIO, 2), (OLD_VIRTIO, 1), (MLX5, 3), ({"tx_xdp_xmit_errors": 1}, 0)]
)
def test_failures_by_name(names: dict[str, int], failed: int) -> None:
    """Those of our own program's answers, a queue or in all, never what others redirect to the interface."""
    assert driver.failed(names) == failed


def test_sent_apart_by_name() -> None:
    """As its transmit side counts them; what veth's receive side counts as sent nobody may have got."""
    assert [driver.sent_apart(names) for names in (MLX5, VIRTIO, OLD_VIRTIO, VETH)] == [8, 4, 7, 0]


@pytest.mark.parametrize(
    ("name", "takes_tags", "allowed"),
    [
        ("ixgbe", True, False),
        ("ixgbe", False, True),
        ("veth", True, True),
        ("bonding", False, False),
        ("virtio_net", False, True),
    ],
)
def test_where_tags_stay(name: str, takes_tags: bool, allowed: bool) -> None:
    """Native mode needs them in the frame, or a driver that it can ask."""
    assert (refusal(name, takes_tags, (6, 8)) == "") is allowed


def test_an_old_kernel() -> None:
    """It has nothing to ask veth with; the others are not asked."""
    assert refusal("veth", True, (6, 1)) == "on veth it takes Linux 6.8"
    assert refusal("virtio_net", False, (6, 1)) == ""


@pytest.mark.parametrize(
    ("code", "mtu", "said"),
    [
        (errno.EOPNOTSUPP, 1500, "e1000e has no native XDP"),
        (errno.EINVAL, 9000, "e1000e takes no program at MTU 9000"),
        (errno.ERANGE, 9000, "e1000e takes no program at MTU 9000"),
        (errno.EINVAL, 1500, "e1000e takes no program (EINVAL)"),
        (errno.EBUSY, 1500, "another XDP program is attached"),
    ],
)
def test_refusals_are_sentences(code: int, mtu: int, said: str) -> None:
    """Which an operator can act upon."""
    assert refused("e1000e", code, mtu) == said
