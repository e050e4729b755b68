"""A probe as lines of text, as ping shows it."""

from __future__ import annotations

import time
from collections.abc import Callable

from rawechoctl import render
from rawechoctl.output import Output
from rawechoctl.render import milliseconds
from rawechod.control.varlink import Parameters as Body

USUAL_OUTAGES = 3


class Text:
    """An event a line, and the summary; `quiet` leaves the intervals and the summary."""

    def __init__(self, out: Output, quiet: bool, outages: int | None = None) -> None:
        """The summary lists so many outages."""
        self._out = out
        self._outages = outages
        self._shown = {"interval"} if quiet else set(SHOW)

    def take(self, event: str, body: Body) -> None:
        """Show one event."""
        if event == "summary":
            _summary(self._out, body, self._outages)
        elif event in self._shown:
            SHOW[event](self._out, body)

    def close(self) -> None:
        """Nothing to give back."""


def interval(body: Body) -> str:
    """What happened in an interval, as one line."""
    clock = time.strftime("%H:%M:%S", time.localtime(body["ends_at_ns"] / 1e9))
    parts = [f"{body[name]} {name}" for name in ("sent", "received", "lost")]
    parts += [f"{body[name]} {name}" for name in ("late", "duplicates", "reordered", "corrupted") if body[name]]
    if body["rtt_ns"]:
        parts.append(f"rtt p50/p99/max = {_row(body['rtt_ns'], 'p50', 'p99', 'max')} ms")
    return f"{clock} {body['start_s']:.1f}-{body['end_s']:.1f} s: {', '.join(parts)}"


def listed_outages(summary: Body, most: int | None) -> list[str]:
    """The longest outages, a line each in order of time, below a heading; `most` None = as usual."""
    found = summary["outages"]
    if most is None:
        most, found = USUAL_OUTAGES, [one for one in found if one["requests"] > 1]
    shown = sorted(found, key=lambda one: one["start_ns"] - one["end_ns"])[:most]
    if not shown:
        return []
    lines = [_outage(one) for one in found if one in shown]
    if len(lines) == 1 == len(found):
        return [f"outage: {lines[0]}"]
    some = f"the {len(lines)} longest of {len(found)} outages" if len(lines) < len(found) else "outages"
    return [f"{some}:", *(f"  {line}" for line in lines)]


def _outage(one: Body) -> str:
    """`14:03:11.250 to 14:03:13.480, 2.23 s, 223 requests`."""
    length, count = render.brief(one["end_ns"] - one["start_ns"]), one["requests"]
    words = "1 request" if count == 1 else f"{count:,} requests"
    return f"{_clock(one['start_ns'])} to {_clock(one['end_ns'])}, {length}, {words}"


def _clock(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1_000_000:03}"


def _start(out: Output, start: Body) -> None:
    out.line(f"PROBE {start['target']} on {start['interface']}, {render.sent(start)}")
    if start["note"]:
        out.line(start["note"])


def _using(out: Output, using: Body) -> None:
    out.line(f"using {using['mac']}")


def _reply(out: Output, reply: Body, remark: str = "") -> None:
    remarks = [remark] if remark else []
    remarks += ["reordered"] if reply["reordered"] else []
    remarks += [f"corrupted: {reply['altered'].replace(',', ', ')}"] if reply["corrupted"] else []
    tail = f" ({', '.join(remarks)})" if remarks else ""
    said = f"{reply['text']} " if reply["text"] is not None else ""
    out.line(f"reply from {reply['mac']}: {said}seq={reply['seq']} time={milliseconds(reply['rtt_ns'])} ms{tail}")


def _lost(out: Output, lost: Body) -> None:
    why = f"not sent: {lost['error']}" if lost["error"] else "no reply"
    out.line(f"{why}: seq={lost['seq']}")


ENDINGS = {
    "daemon": "the daemon ended the probe: it was stopped",
    "cut_off": "cut off: this is what was seen until then, and what was under way is not known",
}
"""Of runs that are not complete, and not because their caller would have it so."""


def _summary(out: Output, summary: Body, outages: int | None) -> None:
    # Of a quiet probe that was cut off nobody said where it was.
    where = f" on {summary['interface']}" if summary["interface"] else ""
    out.line(f"\n--- {summary['target'] or 'probe'}{where} ---")
    if summary["ended"] in ENDINGS:
        out.line(ENDINGS[summary["ended"]])
    counts = [f"{summary['sent']} sent", f"{summary['received']} received"]
    rare = ("duplicates", "reordered", "corrupted", "strangers", "outstanding")
    counts += [f"{summary[name]} {name}" for name in rare if summary[name]]
    counts += [render.loss(summary), f"time {summary['duration_s'] * 1000:.0f} ms"]
    out.line(", ".join(counts))
    if summary["lost"]:
        out.line(f"{summary['lost']:,} lost: {', '.join(render.losses(summary))}")
    _times(out, summary)
    for line in listed_outages(summary, outages):
        out.line(line)
    if len(summary["responders"]) > 1:
        for one in summary["responders"]:
            out.line(f"{one['mac']}: {one['received']} received, {one['duplicates']} duplicates")
    for note in summary["notes"]:
        out.line(f"note: {note}")


def _times(out: Output, summary: Body) -> None:
    rtt = summary["rtt_ns"]
    if rtt:
        out.line(f"rtt min/avg/max/mdev = {_row(rtt, 'min', 'mean', 'max', 'stddev')} ms")
        out.line(f"rtt p50/p90/p99/p99.9 = {_row(rtt, 'p50', 'p90', 'p99', 'p999')} ms")
    residence = summary["residence_ns"]
    if residence:
        out.line(f"inside the responder, not in rtt: avg {milliseconds(residence['mean'])} ms")
    for way, name in (("there", "forward_ns"), ("back", "backward_ns")):
        if summary[name]:
            out.line(f"one way {way} min/avg/max/mdev = {_row(summary[name], 'min', 'mean', 'max', 'stddev')} ms")


def _row(values: Body, *names: str) -> str:
    return "/".join(milliseconds(values[name]) for name in names)


SHOW: dict[str, Callable[[Output, Body], None]] = {
    "start": _start,
    "using": _using,
    "reply": _reply,
    "duplicate": lambda out, body: _reply(out, body, "duplicate"),
    "late": lambda out, body: _reply(out, body, "late"),
    "lost": _lost,
    "interval": lambda out, body: out.line(interval(body)),
}
