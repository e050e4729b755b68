"""The picture for the README: three panels of bars, as SVG."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.load import Case
from bench.summary import Row

WIDTH, BAR, GAP, LABEL, VALUE, HEAD = 760, 16, 7, 110, 90, 34
LONGEST = WIDTH - LABEL - VALUE - 20
OURS, OTHERS = "#1f6feb", "#8c959f"
CSS = """text{font:13px system-ui,sans-serif;fill:#24292f}.head{font-weight:600}.note{font-size:11px;fill:#57606a}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}}"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity of one case."""

    title: str
    outstanding: int
    field: str
    unit: str
    digits: int


PANELS = (
    Panel("round trip, median, one request at a time (less is better)", 1, "rtt_p50_us", "us", 1),
    Panel("frames answered a second, 64 outstanding (more is better)", 64, "frames_per_s", "/s", 0),
    Panel(
        "CPU time a frame, both ends, 64 outstanding (less is better)",
        64,
        "ends_us",
        "us",
        1,
    ),
)


def draw(rows: Sequence[Row], facts: dict[str, str]) -> str:
    """All panels, and what they were measured on."""
    parts, top = [], 8
    for panel in PANELS:
        case = Case(panel.outstanding, 60)
        bars = [row for row in rows if row.case == case and row.frames_per_s]
        if bars:
            parts.append(_panel(panel, bars, top))
            top += HEAD + len(bars) * (BAR + GAP) + 8
    notes = (
        f"60 octets without FCS; {facts['link']}; kernel {facts['kernel']}; {facts['cores']}",
        f"{facts['rounds']}; priority {facts['priority']}",
    )
    parts += [
        f'<text class="note" x="8" y="{top + 8 + 15 * i}">{escape(note)}</text>' for i, note in enumerate(notes)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 32}" role="img">'
    return "\n".join([head, f"<title>rawecho compared</title><style>{CSS}</style>", *parts, "</svg>"]) + "\n"


def _panel(panel: Panel, rows: Sequence[Row], top: int) -> str:
    values = [float(getattr(row, panel.field)) for row in rows]
    # A bar far beyond the others would leave nothing of them: it is cut, its number says how long it is.
    scale = LONGEST / min(max(values), 3.5 * statistics.median(values))
    lines = [f'<text class="head" x="8" y="{top + 18}">{escape(panel.title)}</text>']
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        lines.append(_bar(row.responder, value, value * scale, top + HEAD + place * (BAR + GAP), panel))
    return "\n".join(lines)


def _bar(name: str, value: float, length: float, top: int, panel: Panel) -> str:
    colour = OURS if name.startswith(("epoll", "ebpf")) else OTHERS
    shown, base = min(length, LONGEST), top + BAR - 3
    gash = f'<path d="M{LABEL + LONGEST - 12} {top}l-4 {BAR}h5l4 -{BAR}z" fill="#fff"/>'
    cut = gash if length > LONGEST + 1 else ""
    return (
        f'<text x="{LABEL - 6}" y="{base}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{LABEL}" y="{top}" width="{max(shown, 1):.1f}" height="{BAR}" rx="2" fill="{colour}"/>{cut}'
        f'<text x="{LABEL + max(shown, 1) + 6:.1f}" y="{base}">{value:,.{panel.digits}f} {panel.unit}</text>'
    )
