"""The page's figures, each with its caption."""

from __future__ import annotations

from html import escape

from rawechoctl import charts, scale
from rawechoctl.collected import Collected
from rawechoctl.render import brief
from rawechoctl.scale import Scale
from rawechoctl.series import Bin, Series
from rawechod.control.varlink import Parameters as Body
from rawechod.probe.histogram import Histogram

UNITS = (("h", 3600e9, 3), ("min", 60e9, 3), ("s", 1e9, 0.5), ("ms", 1e6, 0))
"""Of the time axis: length in nanoseconds, and how many of it a run must last."""
MARKED = ("lost", "late", "duplicates", "reordered", "corrupted")
FEWEST = 10
"""Replies that make a distribution."""
PERCENTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9"}


def timeline(series: Series, summary: Body) -> str:
    """Round-trip times over the run, and what was out of the ordinary when."""
    found = series.bins()
    length = max(summary["duration_s"] * 1e9, found[-1][0] if found else 0, 1e6)
    unit, size = next((name, size) for name, size, least in UNITS if length >= least * size)
    bins: charts.Bins = [(when / size, one) for when, one in found]
    x = Scale(0, length / size)
    answered = [one for _, one in bins if one.replies]
    if not answered:
        words = "No reply can be drawn." if summary["received"] else "Nothing came back."
        return _figure(words + _left_out(summary), _strips(bins, x, unit))
    y = scale.of_heights([float(value) for one in answered for value in (one.low, one.high)])
    axis = charts.x_labels(x, lambda value: f"{value:g} {unit}")
    drawn = charts.plot(
        "round-trip times over the run", charts.timeline(bins, x, y), axis, charts.y_labels(y, _tick)
    )
    caption = _drawn(answered, series.length, y) + _left_out(summary)
    return _figure(caption, drawn + _strips(bins, x, unit))


def _drawn(answered: list[Bin], length: int, y: Scale) -> str:
    words = "Round-trip time by when the request was sent."
    if charts.each_reply(answered):
        words += " A dot is a reply."
    else:
        most = max(one.replies for one in answered)
        words += (
            f" Downsampled: each column stands for {_tick(length)} and up to {most:,} replies, from the shortest "
            "to the longest; the dot is their mean. The tables below are of all replies."
        )
    return words + (" The scale is logarithmic." if y.logarithmic else "")


def _left_out(summary: Body) -> str:
    """What a caption says of events that the daemon did not tell."""
    untold = summary["untold"]
    return f" {untold:,} replies and losses are left out here: they were not told one by one." if untold else ""


def _strips(bins: charts.Bins, x: Scale, unit: str) -> str:
    """A strip for each kind of event that happened."""
    strips = []
    for name in MARKED:
        if any(name in one.marks for _, one in bins):
            strokes = charts.marks(bins, x, name, lambda when: f"{when:.3g} {unit}")
            drawing = charts.plot(f"when {name}", strokes, [], [])
            strips.append(f'<div class="strip"><span class="name">{name}</span>{drawing}</div>')
    return "".join(strips)


def histogram(values: Histogram, summary: Body) -> str:
    """How often which round-trip time came, with the percentiles; nothing where there are too few for that."""
    rtt = summary["rtt_ns"]
    if values.total < FEWEST or not rtt:
        return ""
    buckets = list(values.buckets())
    # The percentiles are of all replies, those included that were not told.
    x = scale.of_values(min(buckets[0][0], rtt["p50"]), max(buckets[-1][1], rtt["p999"]))
    heights = charts.shares(values, x)
    y = scale.of_heights([height for height in heights if height >= max(heights) / scale.WIDE])
    shown = [charts.marker(x, rtt[name], words, row) for row, (name, words) in enumerate(PERCENTILES.items())]
    shapes = charts.bars(heights, y) + "".join(line for line, _ in shown)
    labels = charts.y_labels(y, lambda value: f"{value * 100:.3g}%" if value else "0")
    drawn = charts.plot("distribution of round-trip times", shapes, charts.x_labels(x, _tick), labels)
    caption = "Share of the replies by round-trip time; the lines are percentiles."
    caption += " The axis of the times is logarithmic." if x.logarithmic else ""
    caption += f"{_left_out(summary)} The percentiles are of all replies." if summary["untold"] else ""
    return "<h2>How the round-trip times are distributed</h2>" + _figure(
        caption, drawn.replace("</svg>", "</svg>" + "".join(label for _, label in shown))
    )


def losses(collected: Collected, summary: Body) -> str:
    """Which requests were lost, as far as that was told."""
    if not summary["lost"]:
        all_known = summary["received"] and not summary["outstanding"]
        return "<p>No request was lost.</p>" if all_known else ""
    untold = summary["lost"] - collected.lost
    if not collected.lost:
        return f"<p>The numbers of the {untold:,} lost requests were not told.</p>"
    runs = [str(first) if first == last else f"{first}\N{EN DASH}{last}" for first, last in _joined(collected)]
    more = f" and {collected.further_runs:,} further runs" if collected.further_runs else ""
    rest = f"; {untold:,} more were not told one by one" if untold else ""
    return f"<p>Numbers of the lost requests: {escape(', '.join(runs))}{more}{rest}.</p>"


def _joined(collected: Collected) -> list[tuple[int, int]]:
    """The runs in order. A request that was not sent is told before those that were lost just before it."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(collected.lost_runs):
        begin = joined.pop()[0] if joined and first <= joined[-1][1] + 1 else first
        joined.append((begin, last))
    return joined


def _tick(nanoseconds: float) -> str:
    """A round value: without the digits that are zero."""
    number, unit = brief(nanoseconds).split()
    return f"{float(number):g} {unit}" if nanoseconds else "0"


def _figure(caption: str, drawn: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawn}</figure>"
