"""`rawechoctl peers`."""

from __future__ import annotations

from argparse import Namespace

from rawechoctl import exits
from rawechoctl.client import Client
from rawechoctl.output import Output
from rawechoctl.render import span, table
from rawechod.control.varlink import Parameters

HEADINGS = ("MAC", "interface", "EtherType", "received", "replied", "last seen")


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Show whose requests the listeners get."""
    reply = client.call("GetPeers", interface=arguments.interface, most=arguments.most)
    if out.as_json:
        out.object(reply)
        return exits.DONE
    peers = reply["peers"]
    for line in table(HEADINGS, [_row(peer) for peer in peers]) if peers else ():
        out.line(line)
    for sentence in _sentences(reply):
        out.line(sentence)
    return exits.DONE


def _row(peer: Parameters) -> tuple[str, ...]:
    names = ("mac", "interface", "ethertype", "received", "replied")
    return (*(str(peer[name]) for name in names), f"{span(peer['last_seen_s'])} ago")


def _sentences(reply: Parameters) -> list[str]:
    told, known, forgotten = len(reply["peers"]), reply["known"], reply["forgotten"]
    sentences = [] if known else ["no peer so far"]
    sentences += [f"{known - told} more are known: --most"] if told < known else []
    return sentences + ([f"{forgotten} frames of peers that are forgotten"] if forgotten else [])
