"""`rawechoctl discover`: who answers on this segment, and through which EtherTypes."""

from __future__ import annotations

from argparse import Namespace
from typing import NamedTuple

from rawechoctl import exits, interrupt, render
from rawechoctl.calls import Calls, News
from rawechoctl.client import Client
from rawechoctl.output import Output
from rawechod.control.varlink import Parameters as Body

ALWAYS = ("ETH_P_802_EX1", "ETH_P_PAE")
GAP_MS = 100
"""Between two requests to a group, whatever they ask for."""
HEADINGS = ("MAC", "EtherType", "asked through", "version", "RTT")


class Ask(NamedTuple):
    """One way of asking everybody."""

    ethertype: str
    through: str


class Answer(NamedTuple):
    """What one responder answered to one way of asking."""

    ethertype: str
    through: str
    version: int
    rtt_ns: int


class _Found:
    def __init__(self) -> None:
        self.interface = self.note = ""
        self.authenticators: set[str] = set()
        self._rtts: dict[tuple[str, Ask], int] = {}
        self.answers: dict[str, list[Answer]] = {}

    def take(self, ask: Ask, reply: Body) -> None:
        """Keep what an event of a probe tells."""
        if reply["event"] == "start":
            self.interface, self.note = reply["start"]["interface"], reply["start"]["note"]
        elif reply["event"] in ("reply", "late"):
            arrived = reply["arrived"]
            key = (arrived["mac"], ask)
            self._rtts[key] = min(self._rtts.get(key, arrived["rtt_ns"]), arrived["rtt_ns"])
        elif reply["event"] == "summary":
            self.authenticators |= set(reply["summary"]["authenticators"])
            for one in reply["summary"]["responders"]:
                self._answered(ask, one)

    def _answered(self, ask: Ask, responder: Body) -> None:
        rtt = self._rtts.get((responder["mac"], ask))
        if rtt is not None:
            self.answers.setdefault(responder["mac"], []).append(Answer(*ask, responder["version"], rtt))


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Ask everybody; 0 where somebody answered, 1 where nobody did."""
    asks = _asks(arguments.ethertype)
    calls: Calls[Ask] = Calls(client.path)
    found = _Found()
    wishes = [(ask, _parameters(ask, len(asks), arguments)) for ask in asks]
    with interrupt.ending(calls.finish):
        for news in calls.run("Probe", wishes, gap=GAP_MS / 1000):
            _take(news, found)
    _show(found, asks, out)
    return exits.DONE if found.answers else exits.NO_REPLY


def _asks(further: list[str]) -> list[Ask]:
    asks = [Ask(ethertype, "broadcast") for ethertype in dict.fromkeys([*ALWAYS, *further])]
    return [*asks, Ask("ETH_P_PAE", "pae-group")]


def _parameters(ask: Ask, asks: int, arguments: Namespace) -> Body:
    """Each at its share of the pace."""
    return {
        "interface": arguments.interface,
        "ethertype": ask.ethertype,
        "target": ask.through,
        "count": arguments.count,
        "interval": f"{asks * GAP_MS}ms",
        "timeout": arguments.timeout,
    }


def _take(news: News[Ask], found: _Found) -> None:
    if news.error:
        raise news.error
    found.take(news.key, news.parameters)


def _show(found: _Found, asks: list[Ask], out: Output) -> None:
    if out.as_json:
        asked = [ask._asdict() for ask in asks]
        responders = [
            {"mac": mac, "answers": [answer._asdict() for answer in sorted(answers)]}
            for mac, answers in sorted(found.answers.items())
        ]
        about = {"interface": found.interface, "asked": asked, "responders": responders}
        out.object(about | {"authenticators": sorted(found.authenticators)})
        return
    ways = ", ".join(f"{ask.ethertype} through {ask.through}" for ask in asks)
    out.line(f"asked on {found.interface}: {ways}")
    if found.note:
        out.line(found.note)
    for mac in sorted(found.authenticators):
        out.line(f"{mac} is a real 802.1X authenticator: it sent EAP requests")
    if not found.answers:
        out.line("nobody answers")
        return
    out.line()
    for line in render.table(HEADINGS, _rows(found)):
        out.line(line)


def _rows(found: _Found) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for mac, answers in sorted(found.answers.items()):
        for number, answer in enumerate(sorted(answers)):
            rtt = f"{render.milliseconds(answer.rtt_ns)} ms"
            rows.append(("" if number else mac, answer.ethertype, answer.through, str(answer.version), rtt))
    return rows
