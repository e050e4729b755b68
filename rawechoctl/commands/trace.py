"""`rawechoctl trace`: each frame and what became of it, live or out of a capture."""

from __future__ import annotations

import base64
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rawechoctl import exits, interrupt, output
from rawechoctl.client import Client
from rawechoctl.exits import UsageError
from rawechoctl.output import Output
from rawechod.control.varlink import Parameters as Body

BATCH = 256
"""Frames a call: three quarters of what the daemon takes."""
ENOUGH = 96
"""Octets of a frame that decide."""
COLOURS = {"replied": output.GREEN, "dropped": output.YELLOW}


def run(client: Client, arguments: Namespace, out: Output) -> int:
    """Show frames; 0 unless that fails."""
    if arguments.file:
        return _judge(client, arguments, out)
    shown = 0
    given = {"interface": arguments.interface, "source": arguments.source, "outcomes": arguments.reason or None}
    with interrupt.ending(client.finish):
        for reply in client.stream("Trace", **given):
            if reply["event"] == "frame" and (not arguments.count or shown < arguments.count):
                shown += 1
                _frame(reply["frame"], out)
                if shown == arguments.count:
                    client.finish()
            elif reply["event"] != "frame":
                _note(reply, out)
    return exits.DONE


def _note(reply: Body, out: Output) -> None:
    """The start and the end."""
    if out.as_json:
        out.object({"event": reply["event"], **reply[reply["event"]]})
    elif reply["event"] == "start":
        out.line(
            f"tracing {', '.join(reply['start']['interfaces']) or 'nothing: there is no listener'}; Ctrl-C ends"
        )
    else:
        end = reply["end"]
        left_out = end["matched"] - end["told"]
        out.line(f"{end['matched']} frames" + (f", {left_out} of them left out" if left_out else ""))


def _frame(frame: Body, out: Output) -> None:
    if out.as_json:
        out.object({"event": "frame", **frame})
        return
    if frame["left_out"]:
        out.line(f"({frame['left_out']} left out)")
    tags = "".join(f" vlan {tag['vid']} pcp {tag['pcp']}" for tag in frame["tags"])
    about = f"{frame['interface']} {frame['source']} > {frame['destination']} {frame['ethertype'] or 'cut'}{tags}"
    result = out.painted(frame["reason"] or frame["decision"], COLOURS[frame["decision"]])
    meaning = f" ({frame['meaning']})" if frame["meaning"] else ""
    out.line(f"{_clock(frame['at_ns'])} {about}, {frame['length']} octets: {result}{meaning}")


def _clock(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{rest // 1000:06}"


def _judge(client: Client, arguments: Namespace, out: Output) -> int:
    """What the daemon would do with a capture's frames, a bounded number a call."""
    total: Counter[str] = Counter()
    for frame in _verdicts(client, arguments):
        outcome = frame["reason"] or frame["decision"]
        if _wanted(frame, outcome, arguments):
            total[outcome] += 1
            _frame(frame, out)
            if total.total() == arguments.count:
                break
    if not out.as_json:
        counts = ", ".join(f"{outcome} {count}" for outcome, count in total.most_common())
        out.line(f"{total.total()} frames" + (f": {counts}" if counts else ""))
    return exits.DONE


def _wanted(frame: Body, outcome: str, arguments: Namespace) -> bool:
    if arguments.reason and outcome not in arguments.reason:
        return False
    return not arguments.source or frame["source"] == arguments.source.lower().replace("-", ":")


def _verdicts(client: Client, arguments: Namespace) -> Iterator[Body]:
    captured = _captured(arguments.file)
    while batch := list(islice(captured, BATCH)):
        yield from client.call("Judge", interface=arguments.interface, frames=batch)["verdicts"]


def _captured(path: str) -> Iterator[Body]:
    from rawechoctl.captures import CaptureError, frames

    try:
        for frame in frames(Path(path).read_bytes()):
            octets = base64.b64encode(frame.octets[:ENOUGH]).decode()
            yield {"octets": octets, "length": frame.length, "at_ns": frame.at_ns}
    except (CaptureError, OSError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
