"""Samples in; medians, ratios to the first responder, and a table out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.load import Case, Sample


@dataclass(frozen=True, slots=True)
class Row:
    """One responder in one case: medians over the rounds."""

    case: Case
    responder: str
    rounds: int
    frames_per_s: float
    frames_ratio: float
    """To the baseline: more is better."""
    rtt_p50_us: float
    rtt_ratio: float
    """To the baseline: less is better."""
    rtt_p99_us: float
    rtt_p999_us: float
    loss_ratio: float
    responder_cpu: float
    generator_cpu: float


def summarise(samples: Sequence[Sample], baseline: str) -> list[Row]:
    """A row for each case and responder, in the order in which they were first measured."""
    cases = dict.fromkeys(sample.case for sample in samples)
    names = dict.fromkeys(sample.responder for sample in samples)
    rows = []
    for case in cases:
        reference = _of(samples, case, baseline)
        rows += [_row(_of(samples, case, name), reference) for name in names]
    return rows


def _of(samples: Iterable[Sample], case: Case, responder: str) -> list[Sample]:
    return [each for each in samples if each.case == case and each.responder == responder]


def _median(samples: Iterable[Sample], field: str) -> float:
    values: list[float] = [getattr(sample, field) for sample in samples]
    return statistics.median(values)


def _row(samples: Sequence[Sample], reference: Sequence[Sample]) -> Row:
    frames, rtt = _median(samples, "frames_per_s"), _median(samples, "rtt_p50_us")
    return Row(
        case=samples[0].case,
        responder=samples[0].responder,
        rounds=len(samples),
        frames_per_s=frames,
        frames_ratio=round(frames / _median(reference, "frames_per_s"), 3),
        rtt_p50_us=rtt,
        rtt_ratio=round(rtt / _median(reference, "rtt_p50_us"), 3),
        rtt_p99_us=_median(samples, "rtt_p99_us"),
        rtt_p999_us=_median(samples, "rtt_p999_us"),
        loss_ratio=sum(s.lost for s in samples) / sum(s.sent for s in samples),
        responder_cpu=_median(samples, "responder_cpu"),
        generator_cpu=_median(samples, "generator_cpu"),
    )


def table(rows: Sequence[Row]) -> str:
    """The rows for people; a block for each case."""
    lines = []
    for case in dict.fromkeys(row.case for row in rows):
        lines += ["", f"{case.outstanding} outstanding, {case.size} bytes without FCS"]
        lines.append(
            f"  {'responder':<12}{'frames/s':>10}{'ratio':>7}{'RTT p50':>11}{'ratio':>7}"
            f"{'p99':>11}{'p99.9':>11}{'loss':>9}{'CPU':>6}"
        )
        lines += [_line(row) for row in rows if row.case == case]
    return "\n".join(lines)


def _line(row: Row) -> str:
    return (
        f"  {row.responder:<12}{row.frames_per_s:>10,.0f}{row.frames_ratio:>7.2f}"
        f"{row.rtt_p50_us:>8.1f} us{row.rtt_ratio:>7.2f}{row.rtt_p99_us:>8.1f} us{row.rtt_p999_us:>8.1f} us"
        f"{row.loss_ratio:>9.4%}{row.responder_cpu:>6.0%}"
    )
