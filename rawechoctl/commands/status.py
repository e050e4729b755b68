"""`rawechoctl status`."""

from __future__ import annotations

from argparse import Namespace

from rawechoctl import exits, output, render
from rawechoctl.client import Client
from rawechoctl.output import Output
from rawechod.control.varlink import Parameters

COLOURS = {"up": output.GREEN, "down": output.RED, "absent": output.YELLOW}


def run(client: Client, _arguments: Namespace, out: Output) -> int:
    """Show how the daemon stands."""
    status = client.call("GetStatus")
    if out.as_json:
        out.object(status)
        return exits.DONE
    out.line(
        f"rawechod {status['version']}, pid {status['pid']}, up {render.span(status['uptime_s'])}, "
        f"configuration {status['config']}"
    )
    out.line(_privileges(status["privileges"]))
    for listener in status["listeners"]:
        _listener(listener, out)
    for probe in status["probes"]:
        out.line(
            f"probing {probe['target']} on {probe['interface']}, EtherType {probe['ethertype']}, "
            f"for {render.span(probe['running_s'])}, started by uid {probe['uid']}"
        )
    return exits.DONE


def _privileges(has: Parameters) -> str:
    names = has["capabilities"]
    told = ", ".join(names) if len(names) <= 4 else f"{len(names)} capabilities"
    more = "" if has["no_new_privileges"] else "; programs that it starts may have more"
    return f"runs as uid {has['uid']} with {told or 'no capability'}{more}"


def _arming(listener: Parameters) -> str:
    if listener["armed"] is None:
        return ""
    left = listener["armed_for_s"]
    armed = "armed" if left is None else f"armed for {render.span(left)} more"
    return f" ({armed if listener['armed'] else 'not armed'})"


def _xdp(listener: Parameters) -> str:
    return f", XDP {listener['xdp']}" if listener["xdp"] else ""


def _listener(listener: Parameters, out: Output) -> None:
    state = out.painted(listener["state"], COLOURS[listener["state"]])
    about = [state, listener["ethertype"]]
    if listener["mac"]:
        about += [listener["mac"], f"MTU {listener['mtu']}"]
    about += [f"mode {listener['mode']}{_arming(listener)}", f"engine {listener['engine']}{_xdp(listener)}"]
    out.line(f"\n{out.painted(listener['interface'], output.BOLD)}: {', '.join(about)}")
    dropped = sum(listener["dropped"].values())
    reasons = f" ({render.drops(listener)})" if dropped else ""
    out.line(
        f"    {listener['received']} received, {listener['replied']} replied, {dropped} dropped{reasons}"
        + (f", {listener['kernel_drops']} dropped by the kernel" if listener["kernel_drops"] else "")
    )
    for note in listener["notes"]:
        out.line(f"    note: {note}")
