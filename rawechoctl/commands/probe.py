"""`rawechoctl probe`: ping's manners."""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Callable

from rawechoctl import exits
from rawechoctl.client import Client
from rawechoctl.output import Output
from rawechoctl.render import milliseconds, percent
from rawechod.control.varlink import Parameters as Body


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Probe, show each event as it comes, and end with the summary."""
    _end_on_signals(client)
    summary: Body = {}
    for reply in client.stream("Probe", **_parameters(arguments)):
        event = reply["event"]
        body: Body = next((value for key, value in reply.items() if key != "event" and value), {})
        if event == "summary":
            summary = body
        if out.as_json:
            out.object({"event": event, **body})
        elif event in SHOW:
            SHOW[event](out, body)
        if event == "reply" and arguments.until_reply:
            client.finish()
    return exits.DONE if summary.get("received") else exits.NO_REPLY


SENT_AS_THEY_ARE = (
    *("interface", "ethertype", "count", "interval", "timeout", "deadline", "size", "hello", "quiet"),
    *("vlan", "pcp", "pattern", "flood"),
)


def _parameters(arguments: Namespace) -> Body:
    parameters = {name: getattr(arguments, name) for name in SENT_AS_THEY_ARE}
    parameters["target"] = arguments.target or arguments.target_option
    parameters["interval"] = arguments.rate or arguments.interval
    if arguments.duration or arguments.until_reply:
        parameters["count"] = arguments.count or 0
        parameters["deadline"] = arguments.duration or arguments.deadline
        parameters["quiet"] = arguments.quiet and not arguments.until_reply
    return parameters


def _end_on_signals(client: Client) -> None:
    """The first Ctrl-C ends the probe with its summary, the second ends us."""

    def finish(number: int, _frame: object) -> None:
        client.finish()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, finish)


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
    rtt = summary["rtt_ns"]
    if rtt:
        out.line(f"rtt min/avg/max/mdev = {_row(rtt, 'min', 'mean', 'max', 'stddev')} ms")
        out.line(f"rtt p50/p90/p99/p99.9 = {_row(rtt, 'p50', 'p90', 'p99', 'p999')} ms")
    residence = summary["residence_ns"]
    if residence:
        out.line(f"inside the responder, not in rtt: avg {milliseconds(residence['mean'])} ms")
    if summary["lost_forward"] or summary["lost_backward"]:
        out.line(f"lost on the way there {summary['lost_forward']}, on the way back {summary['lost_backward']}")
    if summary["longest_loss_run"] > 1:
        out.line(f"most lost in a row {summary['longest_loss_run']}, about {summary['outage_s']:g} s")
    if len(summary["responders"]) > 1:
        for one in summary["responders"]:
            out.line(f"{one['mac']}: {one['received']} received, {one['duplicates']} duplicates")
    for note in summary["notes"]:
        out.line(f"note: {note}")


def _row(values: Body, *names: str) -> str:
    return "/".join(milliseconds(values[name]) for name in names)


SHOW: dict[str, Callable[[Output, Body], None]] = {
    "start": _start,
    "using": _using,
    "reply": _reply,
    "duplicate": lambda out, body: _reply(out, body, "duplicate"),
    "late": lambda out, body: _reply(out, body, "late"),
    "lost": _lost,
    "summary": _summary,
}
