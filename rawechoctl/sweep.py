"""`rawechoctl probe --sweep`: the largest frame that passes, there and back, without any ICMP."""

from __future__ import annotations

import re
from argparse import Namespace
from typing import NamedTuple

from rawechoctl import exits, interrupt
from rawechoctl.client import Client, UnreachableError
from rawechoctl.exits import UsageError
from rawechoctl.output import Output
from rawechoctl.render import milliseconds
from rawechoctl.search import Found, search
from rawechod.control.varlink import Parameters as Body

COUNT, SURE = 3, 10
"""Requests a size, and where it matters."""
INTERVAL = "20ms"
SHORTEST_TIMEOUT = 100_000_000
"""Without --timeout: ten times the longest round trip of the smallest size, but never less, nanoseconds."""
HEADER = 14

_RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Interrupted(Exception):
    """Ctrl-C between two sizes, or within one."""


class _Trial(NamedTuple):
    """One size tried."""

    size: int
    passes: bool
    sent: int
    received: int
    error: str
    rtt_ns: int | None

    @property
    def result(self) -> str:
        """For a person."""
        if self.rtt_ns is not None and self.passes:
            return f"passes, {milliseconds(self.rtt_ns)} ms"
        if self.received:
            return "comes back altered"
        return f"does not pass: {self.error}" if self.error else "does not pass: no reply"


def run(client: Client, arguments: Namespace, targets: list[str], parameters: Body, out: Output) -> int:
    """Sweep; 0 where a size passes, 1 where not even the smallest does."""
    first, last = _range(arguments.sweep)
    _check(arguments, targets)
    sweep = _Sweep(client, parameters, out)
    with interrupt.ending(sweep.interrupt):
        try:
            return sweep.run(first, last)
        except Interrupted:
            if not out.as_json:
                out.line("\ninterrupted: the largest size that passes was not found")
            return exits.NO_REPLY


def _range(text: str) -> tuple[int, int]:
    numbers = _RANGE.fullmatch(text)
    if not numbers or int(numbers[1]) > int(numbers[2]):
        raise UsageError(f"--sweep {text}: two sizes are needed, the smaller one first, such as 60..9000")
    return int(numbers[1]), int(numbers[2])


def _check(arguments: Namespace, targets: list[str]) -> None:
    alone = (
        *("live", "csv", "report", "report_every", "hello", "flood", "size", "duration", "until_reply"),
        "hardware_timestamps",  # Each size would switch the NIC.
    )
    for option in alone:
        if getattr(arguments, option):
            raise UsageError(f"--{option.replace('_', '-')} does not go together with --sweep")
    if len(targets) > 1 or {"broadcast", "pae-group"} & set(targets):
        raise UsageError("--sweep needs a single target")


class _Sweep:
    def __init__(self, client: Client, parameters: Body, out: Output) -> None:
        self._client = client
        self._out = out
        count = parameters["count"]
        pace = {"interval": parameters["interval"] or INTERVAL, "quiet": False}
        self._parameters = parameters | pace
        self._counts = (count or COUNT, max(count or 0, SURE))
        self._start: Body = {}
        self._passed: set[int] = set()
        self._interrupted = False

    def interrupt(self) -> None:
        """End now: what is under way would prove nothing."""
        self._interrupted = True
        self._client.hang_up()

    def run(self, first: int, last: int) -> int:
        """Find the size, and tell."""
        found = Found(None, [])
        clipped = last
        if self._passes(first, True):
            clipped = min(last, self._start["largest"])
            self._tell_clipped(last)
            found = search(first, clipped, self._passes)
        self._tell(first, clipped, found)
        return exits.NO_REPLY if found.largest is None else exits.DONE

    def _passes(self, size: int, sure: bool) -> bool:
        if size in self._passed:
            return True
        trial = self._try(size, self._counts[sure])
        if trial.passes:
            self._passed.add(size)
        if self._out.as_json:
            self._out.object({"event": "size", **trial._asdict()})
        else:
            self._out.line(f"{size:>6} octets: {trial.result}")
        return trial.passes

    def _try(self, size: int, count: int) -> _Trial:
        summary: Body = {}
        try:
            for reply in self._client.stream("Probe", **self._parameters | {"size": size, "count": count}):
                if reply["event"] == "start" and not self._start:
                    self._begin(reply["start"])
                if reply["event"] == "using" and not self._out.as_json:
                    self._out.line(f"using {reply['using']['mac']}")
                summary = reply.get("summary") or {}
        except UnreachableError:
            if self._interrupted:
                raise Interrupted from None
            raise
        if self._interrupted:
            raise Interrupted
        self._settle(summary)
        rtt, good = summary["rtt_ns"], summary["received"] - summary["corrupted"]
        error = next(iter(summary["send_errors"]), "")
        return _Trial(size, good > 0, summary["sent"], summary["received"], error, rtt and rtt["min"])

    def _begin(self, start: Body) -> None:
        self._start = start
        if self._out.as_json:
            self._out.object({"event": "start", **start})
            return
        self._out.line(f"SWEEP {start['target']} on {start['interface']}, EtherType {start['ethertype']}")

    def _settle(self, summary: Body) -> None:
        """From the first answer on: whom to ask, and how long to wait."""
        if not summary["rtt_ns"]:
            return
        self._parameters["target"] = summary["target"]
        longest = max(10 * summary["rtt_ns"]["max"], SHORTEST_TIMEOUT)
        self._parameters["timeout"] = self._parameters["timeout"] or f"{longest}ns"

    def _tell_clipped(self, wanted: int) -> None:
        most, name = self._start["largest"], self._start["interface"]
        if wanted > most and not self._out.as_json:
            self._out.line(
                f"{name} takes at most {most} octets (MTU {most - HEADER} and the header): no more is tried"
            )

    def _tell(self, first: int, last: int, found: Found) -> None:
        most = found.largest
        if self._out.as_json:
            names = ("interface", "ethertype", "target")
            about = {name: self._start[name] for name in names} | {"target": self._parameters["target"]}
            result = {"first": first, "last": last, "largest": most, "holes": found.holes}
            self._out.object({"event": "sweep", **about, **result})
        elif most is None:
            self._out.line(f"\nnot even {first} octets pass")
        else:
            above = f"{most + 1} do not" if most < last else "as many as were tried"
            self._out.line(f"\n{most} octets pass (a payload of {most - HEADER}), {above}")
            for low, high in found.holes:
                sizes = f"{low} octets do" if low == high else f"{low} to {high} octets do"
                self._out.line(f"but {sizes} not pass, as far as was tried")
