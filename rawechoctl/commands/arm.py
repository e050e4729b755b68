"""`rawechoctl arm`."""

from __future__ import annotations

from argparse import Namespace

from rawechoctl import exits, render
from rawechoctl.client import Client
from rawechoctl.output import Output


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Have a loopback return frames for a time."""
    reply = client.call("Arm", interface=arguments.interface, duration=arguments.duration)
    if out.as_json:
        out.object(reply)
    else:
        out.line(f"{reply['interface']}: loopback armed for {render.span(round(reply['armed_for_s']))}")
    return exits.DONE
