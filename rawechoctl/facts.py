"""The page's words and tables."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from html import escape
from importlib.metadata import version

from rawechoctl.render import brief, losses, pace, percent
from rawechoctl.text import listed_outages
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


def is_good(summary: Body) -> bool:
    """Whether the run is complete and nothing was lost, as far as anything is known."""
    return bool(summary["received"]) and not (
        summary["lost"] or summary["outstanding"] or summary["ended"] in ENDINGS
    )


def verdict(summary: Body) -> str:
    """The run in a sentence or two."""
    lost, received, rtt = summary["lost"], summary["received"], summary["rtt_ns"]
    first = [f"{ENDINGS[summary['ended']]}."] if summary["ended"] in ENDINGS else []
    if not received:
        first.append(f"Nobody answered. {_unknown(summary)}" if not lost else f"Nobody answered: {_lost(summary)}")
        return " ".join(first)
    told = _lost(summary)
    if summary["outstanding"]:
        told += f" {_unknown(summary)}"
    first.append(told)
    if not rtt:
        return " ".join(first)
    if received < FEW:
        return " ".join([*first, f"The round-trip times were {brief(rtt['min'])} to {brief(rtt['max'])}."])
    return " ".join(
        [*first, f"Half of the replies took at most {brief(rtt['p50'])}, 99% at most {brief(rtt['p99'])}."]
    )


def _lost(summary: Body) -> str:
    """Of the requests whose fate is known."""
    lost, known = summary["lost"], summary["lost"] + summary["received"]
    if not lost:
        return f"No request of {known:,} was lost." if known > 1 else "The request was answered."
    was = "was" if lost == 1 else "were"
    ways = f" ({', '.join(losses(summary))})" if lost > summary["lost_undetermined"] else ""
    return f"{lost:,} of {known:,} requests {was} lost{ways}."


def _unknown(summary: Body) -> str:
    count = summary["outstanding"]
    return f"What became of {count:,} request{'s' if count != 1 else ''} is not known."


ENDINGS = {"daemon": "The daemon was stopped and ended the run", "cut_off": "The run was cut off"}


def tiles(summary: Body) -> str:
    """The four figures that one looks for first."""
    rtt, ratio = summary["rtt_ns"], summary["loss_ratio"]
    times = {name: brief(rtt[key]) if rtt else "\N{EN DASH}" for key, name in TIMES.items()}
    shown = {"lost": "\N{EN DASH}" if ratio is None else percent(ratio)} | times
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
                (f"one way {way}, with the difference between the clocks", f"mean {_signed(summary[key]['mean'])}")
            )
    return rows


def counts(summary: Body) -> Rows:
    """What became of the requests; of the rare things those that happened."""
    rows = [(name, f"{summary[name]:,}") for name in ("sent", "received", "lost")]
    ways = (way.split(" ", 1) for way in losses(summary))
    rows += [(f"\N{EN DASH} {words}", count) for count, words in ways]
    rare = ("outstanding", "duplicates", "reordered", "corrupted", "strangers")
    return rows + [(RARE.get(name, name), f"{summary[name]:,}") for name in rare if summary[name]]


RARE = {"outstanding": "not known", "strangers": "replies from other MACs"}


def outages(summary: Body, most: int | None) -> str:
    """The longest ones, by the clock."""
    lines = listed_outages(summary, most)
    if not lines:
        return ""
    heading, *rest = (escape(line.strip()) for line in lines)
    items = "".join(f"<li>{line}" for line in rest)
    return f"<p>{heading[0].upper()}{heading[1:]}</p>" + (f"<ul>{items}</ul>" if items else "")


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
        ("tag", "none" if summary["vlan"] is None else f"VLAN {summary['vlan']}, priority {summary['pcp']}"),
        ("payload", "the tutorial's" if summary["hello"] else f"pattern {summary['pattern']}"),
        ("requests", f"{_asked(start)}, each given up after {brief(start['timeout_ns'])}"),
        *([("pace", pace(summary))] if pace(summary) else []),
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
    every = f"one every {brief(start['interval_ns'])}" if start["interval_ns"] else "as fast as replies come"
    return f"{many}, {every}"


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
