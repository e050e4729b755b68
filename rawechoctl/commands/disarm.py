"""`rawechoctl disarm`."""

from __future__ import annotations

from argparse import Namespace

from rawechoctl import exits
from rawechoctl.client import Client
from rawechoctl.output import Output


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Have loopbacks return nothing any more."""
    reply = client.call("Disarm", interface=arguments.interface)
    if out.as_json:
        out.object(reply)
    else:
        for interface in reply["interfaces"]:
            out.line(f"{interface}: loopback is not armed")
    return exits.DONE
