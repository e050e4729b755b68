"""`rawechoctl stats`."""

from __future__ import annotations

from argparse import Namespace

from rawechoctl import exits
from rawechoctl.client import Client
from rawechoctl.output import Output
from rawechod.control.varlink import Parameters


def run(client: Client, _arguments: Namespace, out: Output) -> int:
    """Show the counters, one a line."""
    counters = client.call("GetCounters")
    if out.as_json:
        out.object(counters)
        return exits.DONE
    for listener in counters["listeners"]:
        rows = _rows(listener)
        width = max(len(str(count)) for _, count in rows)
        out.line(f"{listener['interface']} {listener['ethertype']}")
        for name, count in rows:
            out.line(f"  {count:>{width}}  {name}")
    return exits.DONE


def _rows(listener: Parameters) -> list[tuple[str, int]]:
    return [
        ("received", listener["received"]),
        ("replied", listener["replied"]),
        *((f"dropped: {reason}", count) for reason, count in listener["dropped"].items()),
        *((f"transmit error {name}", count) for name, count in listener["transmit_errors"].items()),
        ("replies to this host's probes", listener["probe_replies"]),
        ("dropped by the kernel (receive buffer full)", listener["kernel_drops"]),
    ]
