"""A probe as lines of text, as ping shows it."""

from __future__ import annotations

import time
from collections.abc import Callable

from rawechoctl.output import Output
from rawechoctl.render import milliseconds, percent
from rawechod.control.varlink import Parameters as Body


class Text:
    """An event a line, and the summary; `quiet` leaves the intervals and the summary."""

    def __init__(self, out: Output, quiet: bool) -> None:
        self._out = out
        self._shown = {"interval", "summary"} if quiet else set(SHOW)

    def take(self, event: str, body: Body) -> None:
        """Show one event."""
        if event in self._shown:
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


def _start(out: Output, start: Body) -> None:
    who = start["target"]
    out.line(f"PROBE {who} on {start['interface']}, EtherType {start['ethertype']}, {start['size']} octets")
    if start["note"]:
        out.line(start["note"])


def _using(out: Output, using: Body) -> None:
    out.line(f"using {using['mac']}")


def _reply(out: Output, reply: Body, remark: str = "") -> None:
    remarks = [remark] if remark else []
    remarks += [word for word in ("reordered", "corrupted") if reply[word]]
    tail = f" ({', '.join(remarks)})" if remarks else ""
    out.line(f"reply from {reply['mac']}: seq={reply['seq']} time={milliseconds(reply['rtt_ns'])} ms{tail}")


def _lost(out: Output, lost: Body) -> None:
    why = f"not sent: {lost['error']}" if lost["error"] else "no reply"
    out.line(f"{why}: seq={lost['seq']}")


def _summary(out: Output, summary: Body) -> None:
    out.line(f"\n--- {summary['target']} on {summary['interface']} ---")
    counts = [f"{summary['sent']} sent", f"{summary['received']} received"]
    rare = ("duplicates", "reordered", "corrupted", "late", "strangers", "outstanding")
    counts += [f"{summary[name]} {name}" for name in rare if summary[name]]
    counts += [f"{percent(summary['loss_ratio'])} lost", f"time {summary['duration_s'] * 1000:.0f} ms"]
    out.line(", ".join(counts))
    for name, count in summary["send_errors"].items():
        out.line(f"{count} not sent: {name}")
    _times(out, summary)
    if summary["lost_forward"] or summary["lost_backward"]:
        out.line(f"lost on the way there {summary['lost_forward']}, on the way back {summary['lost_backward']}")
    if summary["longest_loss_run"] > 1:
        out.line(f"most lost in a row {summary['longest_loss_run']}, about {summary['outage_s']:g} s")
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
    "summary": _summary,
}
