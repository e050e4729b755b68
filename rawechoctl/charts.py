"""Charts for a page: SVG that stretches with it, under labels that do not. PURE.

The drawing fills a box of any shape (`preserveAspectRatio="none"`), so lines keep their width by
`vector-effect`, and a dot is a line without length that has round ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from rawechoctl.render import brief
from rawechoctl.scale import Scale
from rawechoctl.series import Bin
from rawechod.probe.histogram import Histogram

SIZE = 1000
COLUMNS = 60
Bins = list[tuple[float, Bin]]


def plot(name: str, shapes: str, x_labels: Iterable[str], y_labels: Iterable[str]) -> str:
    """A drawing with its axes. `name` says to those who can't see it what it is."""
    labels = "".join([*x_labels, *y_labels])
    drawing = (
        f'<svg viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none" role="img" aria-label="{escape(name)}">'
    )
    return f'<div class="plot">{drawing}{shapes}</svg>{labels}</div>'


def x_labels(scale: Scale, words: Callable[[float], str]) -> list[str]:
    """Under the drawing; every second one is left out on a phone."""
    return [
        f'<span class="x{" minor" if number % 2 else ""}" style="left:{scale.at(value):.2%}">{words(value)}</span>'
        for number, value in enumerate(scale.ticks(8))
    ]


def y_labels(scale: Scale, words: Callable[[float], str]) -> list[str]:
    """Beside the drawing."""
    return [f'<span class="y" style="bottom:{scale.at(v):.2%}">{words(v)}</span>' for v in scale.ticks(5)]


def grid(scale: Scale) -> str:
    """A line across for each label of the y axis."""
    return _path("grid", "".join(f"M0 {_y(scale, value)}H{SIZE}" for value in scale.ticks(5)))


def timeline(bins: Bins, x: Scale, y: Scale) -> str:
    """Round-trip times: a dot each, or, where there are too many, their range and their mean."""
    answered = [(when, one) for when, one in bins if one.replies]
    if each_reply(one for _, one in answered):
        replies = [(when, rtt) for when, one in answered for rtt in {one.low, one.high}]
        return grid(y) + _path("dots", "".join(f"M{_x(x, w)} {_y(y, rtt)}h.01" for w, rtt in replies))
    ranges = "".join(
        f"M{_x(x, w)} {_y(y, one.low)}V{_y(y, one.high)}" for w, one in answered if one.high > one.low
    )
    dots = "".join(f"M{_x(x, w)} {_y(y, one.mean)}h.01" for w, one in answered)
    return grid(y) + _path("range", ranges) + _path("mean", dots)


def each_reply(bins: Iterable[Bin]) -> bool:
    """Whether each reply is known by itself: of two in a bin, one is its lowest, the other its highest."""
    return all(one.replies <= 2 for one in bins)


def marks(bins: Bins, x: Scale, name: str, words: Callable[[float], str]) -> str:
    """A stroke for each stretch of time in which something of this name happened."""
    return "".join(
        f'<path class="{name}" d="M{_x(x, when)} 0V{SIZE}">'
        f"<title>{one.marks[name]} {name}, {words(when)}</title></path>"
        for when, one in bins
        if name in one.marks
    )


def shares(histogram: Histogram, x: Scale) -> list[float]:
    """How much of all falls into each of the COLUMNS of an axis; a bucket is spread evenly over its width."""
    edges = [x.value(number / COLUMNS) for number in range(COLUMNS + 1)]
    found = [0.0] * COLUMNS
    for low, high, count in histogram.buckets():
        begin, end = max(low - 0.5, edges[0]), min(high + 0.5, edges[-1])
        for number in range(COLUMNS):
            inside = min(end, edges[number + 1]) - max(begin, edges[number])
            if inside > 0:
                found[number] += count / histogram.total * inside / (end - begin)
    return found


def bars(heights: list[float], y: Scale) -> str:
    """A column for each."""
    step = SIZE / len(heights)
    shapes = "".join(
        f"M{number * step:.1f} {SIZE}V{_y(y, height)}h{step * 0.86:.1f}V{SIZE}z"
        for number, height in enumerate(heights)
        if height
    )
    return grid(y) + f'<path class="bars" d="{shapes}"/>'


def marker(x: Scale, value: float, name: str, row: int) -> tuple[str, str]:
    """A line from top to bottom at a value, and its label, which hangs in one of several rows."""
    place = x.at(value)
    side = " left" if place > 0.7 else ""
    label = f'<span class="marker{side}" style="left:{place:.2%};top:{row * 1.3}em">{name} {brief(value)}</span>'
    return _path("marker", f"M{place * SIZE:.1f} 0V{SIZE}"), label


def _path(kind: str, shape: str) -> str:
    return f'<path class="{kind}" d="{shape}"/>'


def _x(scale: Scale, value: float) -> str:
    return f"{scale.at(value) * SIZE:.1f}"


def _y(scale: Scale, value: float) -> str:
    return f"{(1 - scale.at(value)) * SIZE:.1f}"
