"""`rawechoctl reload`."""

from __future__ import annotations

from argparse import Namespace

from rawechoctl import exits
from rawechoctl.client import Client
from rawechoctl.output import Output


def run(client: Client, _arguments: Namespace, out: Output) -> int:
    """Have the configuration read again."""
    reply = client.call("Reload")
    if out.as_json:
        out.object(reply)
    else:
        out.line(f"{reply['config']} is in force")
    return exits.DONE
