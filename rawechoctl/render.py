"""Values as people read them. PURE."""

from __future__ import annotations

from rawechod.control.varlink import Parameters

PACE_TOLERANCE = 0.05
"""A pace that is off by more is mentioned."""
USUAL_PATTERN = "counting"
STEPS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def milliseconds(nanoseconds: float) -> str:
    """Three decimals, as ping's; below ten microseconds as many as it takes for two digits."""
    size = abs(nanoseconds)
    decimals = 3 if size >= 9_950 or not size else 4 if size >= 995 else 5 if size >= 99.5 else 6
    return f"{nanoseconds / 1e6:.{decimals}f}"


def span(seconds: float) -> str:
    """`3d 4h`, `12m 5s`, `7s`: the two largest units."""
    rest = int(seconds)
    parts: list[str] = []
    for unit, length in STEPS:
        count, rest = divmod(rest, length)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def drops(listener: Parameters) -> str:
    """`reply 3, rate_limit 1`, or nothing."""
    counts = [f"{reason} {count}" for reason, count in listener["dropped"].items()]
    errors = [f"{name} {count}" for name, count in listener["transmit_errors"].items()]
    return ", ".join(counts) + (f" ({', '.join(errors)})" if errors else "")


def percent(ratio: float) -> str:
    """A loss ratio as ping shows it: no digits that say nothing; all is lost only where all is."""
    shown = f"{ratio * 100:.4g}%"
    return "99.99%" if shown == "100%" and ratio < 1 else shown


def loss(summary: Parameters) -> str:
    """`0.5% lost`; of what is known, where that is not all; never 0% where nothing is known."""
    ratio = summary["loss_ratio"]
    if ratio is None:
        return "loss not known"
    known = f" of the other {summary['received'] + summary['lost']}" if summary["outstanding"] else ""
    return f"{percent(ratio)}{known} lost"


def losses(summary: Parameters) -> list[str]:
    """How many requests were lost in which way, those ways that occurred: `7 on the way there`, `2 late`."""
    back = "on the way back"
    if _may_be_limited(summary):
        back += " or held back by the responder's rate limit"
    refused = summary["send_errors"]
    counts = [
        (summary["lost_forward"], "on the way there"),
        (summary["lost_backward"], back),
        (summary["lost_responder"], "dropped by the responder's host"),
        (summary["lost_here"] - sum(refused.values()), "dropped by this host"),
        *((count, f"not sent ({name})") for name, count in refused.items()),
        (summary["late"], "late"),
        (summary["lost_undetermined"], "not known where"),
    ]
    return [f"{count:,} {words}" for count, words in counts if count > 0]


def _may_be_limited(summary: Parameters) -> bool:
    """Whether the responder may have left requests unanswered: no limit is below one request a second."""
    interval = summary["achieved_interval_ns"]
    return interval is not None and interval < 1e9 and not summary["hello"]


def pace(summary: Parameters) -> str:
    """What was sent, and what was asked for, where these differ by more than a few percent; else nothing."""
    asked, achieved = summary["interval_ns"], summary["achieved_interval_ns"]
    if not asked or not achieved or abs(achieved - asked) <= asked * PACE_TOLERANCE:
        return ""
    return f"one request every {brief(achieved)} on average; every {brief(asked)} was asked for"


def sent(about: Parameters) -> str:
    """What is sent, of a start: `EtherType ETH_P_PAE, 64 octets, VLAN 100 priority 5, pattern zero, flood`."""
    parts = [f"EtherType {about['ethertype']}", f"{about['size']} octets"]
    if about["vlan"] is not None:
        parts.append(f"VLAN {about['vlan']} priority {about['pcp']}")
    if about["pattern"] not in ("", USUAL_PATTERN):
        parts.append(f"pattern {about['pattern']}")
    return ", ".join(parts + [word for word in ("flood", "hello") if about[word]])


def brief(nanoseconds: float) -> str:
    """Three digits and the unit that suits them: `6.03 µs`, `163 µs`, `1.20 ms`."""
    for unit, length in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        value = nanoseconds / length
        if value >= 0.9995:
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
    return f"{nanoseconds:.0f} ns"


def rate(value: float) -> str:
    """A count a second in four characters or little more: `0`, `4.2`, `153`, `15.3k`, `1.5M`."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= 9.9995 * size or (unit == "M" and value >= 0.99995 * size):
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}" if value >= 9.95 or value < 0.05 else f"{value:.1f}"


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines with columns below each other."""
    columns = zip(headings, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = [(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (headings, *rows)]
    return ["  ".join(line).rstrip() for line in lines]
