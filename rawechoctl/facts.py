"""The page's words and tables."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from html import escape
from importlib.metadata import version

from rawechoctl.render import brief, percent
from rawechod.control.varlink import Parameters as Body

Rows = list[tuple[str, str]]
ONE_WAY = {"forward_ns": "there", "backward_ns": "back"}
FEW = 10
"""Replies that are too few to speak of percentages."""
STAMPS = {
    "hardware": "by the NIC, sending and receiving",
    "kernel": "by the kernel, sending and receiving",
    "user": "from the daemon's own time before it sends",
    "mixed": "by the NIC, where asked, or the kernel where it could, else from the daemon's own time",
}
PERCENTILES = {"p50": "p50 (median)", "p90": "p90", "p99": "p99", "p999": "p99.9", "p9999": "p99.99"}


def verdict(summary: Body) -> str:
    """The run in a sentence or two."""
    sent, lost, rtt = summary["sent"], summary["lost"], summary["rtt_ns"]
    if not summary["received"]:
        return f"Nobody answered: {lost:,} of {sent:,} requests were lost."
    ways = [f"{summary[key]:,} {way}" for key, way in WAYS.items() if summary[key]]
    ways_told = f" ({', '.join(ways)})" if ways else ""
    told = f"{lost:,} of {sent:,} requests were lost{ways_told}." if lost else f"No request of {sent:,} was lost."
    if summary["received"] < FEW:
        return f"{told} The round-trip times were {brief(rtt['min'])} to {brief(rtt['max'])}."
    return f"{told} Half of the replies came within {brief(rtt['p50'])}, 99% within {brief(rtt['p99'])}."


WAYS = {"lost_forward": "on the way there", "lost_backward": "on the way back"}


def tiles(summary: Body) -> str:
    """The four figures that one looks for first."""
    rtt = summary["rtt_ns"]
    times = {name: brief(rtt[key]) if rtt else "\N{EN DASH}" for key, name in TIMES.items()}
    shown = {"lost": percent(summary["loss_ratio"])} | times
    return "".join(f"<div><b>{escape(value)}</b>{escape(name)}</div>" for name, value in shown.items())


TIMES = {"p50": "median rtt", "p99": "99% within", "max": "longest rtt"}


def percentiles(summary: Body) -> Rows:
    """Round-trip times and how they vary."""
    rtt = summary["rtt_ns"]
    if not rtt:
        return [("round-trip times", "none")]
    rows = [("shortest", brief(rtt["min"])), ("mean", brief(rtt["mean"]))]
    rows += [(name, brief(rtt[key])) for key, name in PERCENTILES.items() if key in rtt]
    rows += [("longest", brief(rtt["max"])), ("standard deviation", brief(rtt["stddev"]))]
    ipdv, residence = summary["ipdv_ns"], summary.get("residence_ns")
    if ipdv:
        rows.append(("change from one to the next (ipdv)", f"{_signed(ipdv['min'])} to {_signed(ipdv['max'])}"))
    if residence:
        rows.append(("inside the responder, not in the above", f"mean {brief(residence['mean'])}"))
    for key, way in ONE_WAY.items():
        if summary.get(key):
            rows.append(
                (f"one way {way}, as wrong as the clocks are apart", f"mean {_signed(summary[key]['mean'])}")
            )
    return rows


def counts(summary: Body) -> Rows:
    """What became of the requests; of the rare things those that happened."""
    rows = [(name, f"{summary[name]:,}") for name in ("sent", "received", "lost")]
    rows += [(f"lost {way}", f"{summary[key]:,}") for key, way in WAYS.items() if summary.get(key)]
    rare = ("outstanding", "late", "duplicates", "reordered", "corrupted", "strangers")
    rows += [(RARE.get(name, name), f"{summary[name]:,}") for name in rare if summary[name]]
    if summary.get("longest_loss_run", 0) > 1:
        outage = f"{summary['longest_loss_run']:,} requests, about {brief(summary['outage_s'] * 1e9)}"
        rows.append(("most lost in a row", outage))
    return rows + [(f"not sent: {name}", f"{count:,}") for name, count in summary["send_errors"].items()]


RARE = {"outstanding": "not yet answered at the end", "strangers": "answers from others than the target"}


def responders(summary: Body) -> str:
    """A row for each, where there are several."""
    if len(summary["responders"]) < 2:
        return ""
    rows = [
        (one["mac"], f"{one['received']:,} received, {one['duplicates']:,} duplicates")
        for one in summary["responders"]
    ]
    return f"<h2>Responders</h2>{table(rows)}"


def notes(start: Body, summary: Body) -> list[str]:
    """What a person should know."""
    told: str = start["note"]
    return [note for note in (told, *(note for note in summary["notes"] if note not in told)) if note]


def about(start: Body, summary: Body, began: float, daemon: str) -> Rows:
    """The facts of the run; it ends now."""
    system = os.uname()
    return [
        ("target", summary["target"]),
        ("interface", summary["interface"]),
        ("EtherType", summary["ethertype"]),
        ("size", f"{summary['size']:,} octets on the wire, without FCS and VLAN tag"),
        ("requests", f"{_asked(start)}, each given up after {brief(start['timeout_ns'])}"),
        ("began", _moment(began)),
        ("ended", _moment(time.time())),
        ("lasted", brief(summary["duration_s"] * 1e9)),
        ("time stamps", STAMPS.get(summary["timestamps"], summary["timestamps"])),
        ("host", f"{system.nodename}, {system.sysname} {system.release}"),
        ("versions", f"rawechoctl {version('rawecho')}, rawechod {daemon}"),
        ("command", shlex.join(["rawechoctl", *sys.argv[1:]])),
    ]


def _asked(start: Body) -> str:
    many = f"{start['count']:,}" if start["count"] else "until stopped"
    return f"{many}, one every {brief(start['interval_ns'])}" if start["interval_ns"] else many


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))


def _signed(nanoseconds: float) -> str:
    sign = "\N{MINUS SIGN}" if nanoseconds < 0 else "+"
    return f"{sign}{brief(abs(nanoseconds))}"


def table(rows: Rows) -> str:
    """Names and values; a number stays with its unit where a line ends."""
    kept = ((name, re.sub(r"(\d) (ns|µs|ms|s)\b", "\\1\N{NO-BREAK SPACE}\\2", value)) for name, value in rows)
    cells = "".join(f"<tr><th scope=row>{escape(name)}<td>{escape(value)}" for name, value in kept)
    return f"<table>{cells}</table>"
