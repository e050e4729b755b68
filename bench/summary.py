"""Samples in; medians, ratios to the first responder, and a table out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import Case, Sample

MEDIANS = (
    *("frames_per_s", "rtt_p50_us", "rtt_p99_us", "rtt_p999_us", "cpu_us", "ends_us"),
    *("responder_cpu", "generator_cpu", "rss_mib"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One responder in one case: medians over the rounds."""

    case: Case
    responder: str
    rounds: int
    frames_per_s: float
    frames_ratio: float
    """To the baseline, the median of the rounds' ratios: more is better. 0 where one of both has no answer."""
    rtt_p50_us: float
    rtt_ratio: float
    """Likewise; less is better."""
    rtt_p99_us: float
    rtt_p999_us: float
    loss_ratio: float
    cpu_us: float
    """CPU time a frame, whole machine; as many seconds a million frames."""
    cpu_ratio: float
    ends_us: float
    """The generator's and the responder's share of it: the rest is others' on a machine that has more to do."""
    ends_ratio: float
    responder_cpu: float
    generator_cpu: float
    rss_mib: float
    mangled: int


def summarise(samples: Sequence[Sample], baseline: str) -> list[Row]:
    """A row for each case and responder, in the order in which they were first measured."""
    pairs = dict.fromkeys((sample.case, sample.responder) for sample in samples)
    return [_row(_of(samples, case, name), _of(samples, case, baseline)) for case, name in pairs]


def ratio(samples: Sequence[Sample], reference: Sequence[Sample], field: str) -> float:
    """The median of the ratios, round by round."""
    by_round = {sample.round: getattr(sample, field) for sample in reference if sample.received}
    ratios = [
        getattr(sample, field) / by_round[sample.round]
        for sample in samples
        if sample.received and by_round.get(sample.round)
    ]
    return round(statistics.median(ratios), 3) if ratios else 0.0


def _of(samples: Sequence[Sample], case: Case, responder: str) -> list[Sample]:
    return [each for each in samples if each.case == case and each.responder == responder]


def _row(samples: Sequence[Sample], reference: Sequence[Sample]) -> Row:
    medians = {field: statistics.median(getattr(sample, field) for sample in samples) for field in MEDIANS}
    return Row(
        case=samples[0].case,
        responder=samples[0].responder,
        rounds=len(samples),
        frames_ratio=ratio(samples, reference, "frames_per_s"),
        rtt_ratio=ratio(samples, reference, "rtt_p50_us"),
        cpu_ratio=ratio(samples, reference, "cpu_us"),
        ends_ratio=ratio(samples, reference, "ends_us"),
        loss_ratio=sum(s.lost for s in samples) / max(sum(s.sent for s in samples), 1),
        mangled=sum(s.mangled for s in samples),
        **medians,
    )


def table(rows: Sequence[Row]) -> str:
    """The rows for people; a block for each case."""
    lines = []
    for case in dict.fromkeys(row.case for row in rows):
        lines += ["", f"{case.outstanding} outstanding, {case.size} octets without FCS, {case.kind}"]
        lines.append(
            f"  {'responder':<13}{'frames/s':>9}{'ratio':>7}{'RTT p50':>11}{'ratio':>7}"
            f"{'p99':>11}{'p99.9':>11}{'loss':>9}{'CPU/frame':>11}{'ratio':>7}{'both ends':>11}{'ratio':>7}"
            f"{'RSS':>10}"
        )
        lines += [_line(row) for row in rows if row.case == case]
    return "\n".join(lines)


def _line(row: Row) -> str:
    if not row.frames_per_s:
        return f"  {row.responder:<13}" + ("answers without the tag" if row.mangled else "answers nothing")
    return (
        f"  {row.responder:<13}{row.frames_per_s:>9,.0f}{_ratio(row.frames_ratio)}"
        f"{row.rtt_p50_us:>8.1f} us{_ratio(row.rtt_ratio)}{row.rtt_p99_us:>8.1f} us{row.rtt_p999_us:>8.1f} us"
        f"{row.loss_ratio:>9.3%}{row.cpu_us:>8.2f} us{_ratio(row.cpu_ratio)}"
        f"{row.ends_us:>8.2f} us{_ratio(row.ends_ratio)}{row.rss_mib:>6.1f} MiB"
    )


def _ratio(value: float) -> str:
    return f"{value:>7.2f}" if value else f"{'-':>7}"
