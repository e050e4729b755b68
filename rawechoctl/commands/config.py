"""`rawechoctl config`."""

from __future__ import annotations

import json
from argparse import Namespace

from rawechoctl import exits
from rawechoctl.client import Client
from rawechoctl.output import Output
from rawechod.control.varlink import Parameters


def run(client: Client, _arguments: Namespace, out: Output) -> int:
    """Show the configuration in force, as TOML or JSON."""
    reply = client.call("GetConfig")
    if out.as_json:
        out.object(reply)
        return exits.DONE
    out.line(f"# in force; from {reply['path']}")
    for name, value in reply["config"].items():
        for table in value if isinstance(value, list) else [value]:
            out.line(f"\n[[{name}]]" if isinstance(value, list) else f"\n[{name}]")
            _table(table, out)
    return exits.DONE


def _table(table: Parameters, out: Output) -> None:
    for key, value in table.items():
        # JSON's strings, numbers, booleans and flat lists are TOML's too.
        out.line(f"# {key} is not set" if value is None else f"{_name(key)} = {_text(value)}")


def _name(key: str) -> str:
    """A host's name may need quotes: `switch.lab` would be two keys."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _text(key)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
