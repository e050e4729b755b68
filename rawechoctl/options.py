"""What each command takes."""

from __future__ import annotations

import argparse


def _probe(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("target", nargs="*", metavar="TARGET", help="a MAC, a name, broadcast or pae-group; default: who answers")
    add("--target", dest="target_option", action="append", default=[], metavar="TARGET", help="the same")
    add("-c", "--count", type=_whole, metavar="N", help="requests, 0 = until interrupted")
    pace = command.add_mutually_exclusive_group().add_argument
    pace("-i", "--interval", metavar="TIME", help="between two requests")
    pace("--rate", type=_rate, metavar="N", help="requests a second, instead of an interval")
    add("-I", "--interface", metavar="NAME", help="where to probe from")
    add("-s", "--size", type=_whole, metavar="N", help="octets on the wire without FCS and VLAN tag")
    add("--sweep", metavar="A..B", help="find the largest size that passes, such as 60..9000")
    add("-W", "--timeout", metavar="TIME", help="a reply that takes longer is late, and its request lost")
    add("-w", "--deadline", metavar="TIME", help="stop sending after this time")
    add("--duration", metavar="TIME", help="probe for this time, however many requests that takes")
    add("-f", "--flood", action="store_true", help="as fast as answers come, 64 requests ahead; needs a target")
    add("--one-way", action="store_true", help="one-way delays too; the difference between the clocks is in them")
    add("--hardware-timestamps", action="store_true", help="time by the NIC's own stamps, where it has them")
    add("--until-reply", action="store_true", help="end with the first reply")
    add("--vlan", metavar="VID", help="with a VLAN tag; OUTER.INNER for two")
    add("--pcp", type=_whole, metavar="N", help="priority in the tag, 0 to 7")
    add("--pattern", metavar="P", help="payload: counting, zero, ff, random or hex:DIGITS")
    add("--ethertype", metavar="TYPE", help="ETH_P_802_EX1, ETH_P_PAE or a number such as 0x88B6")
    add("--hello", action="store_true", help="the tutorial's client: say hello, count HELLOs (on lo)")
    _probe_views(command)


def _probe_views(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--outages", type=_whole, metavar="N", help="list the N longest outages in the summary; default: 3")
    add("-q", "--quiet", action="store_true", help="show the summary only, and the lines of --report-every")
    add("--report-every", metavar="TIME", help="show a line of interim results this often")
    add("--live", action="store_true", help="on a terminal: a chart, percentiles and loss as they come")
    add("--csv", metavar="FILE", help="write a row for each reply and each loss; - is the standard output")
    add("--report", metavar="FILE", help="write a page about the run: HTML in one file")


def _discover(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("-I", "--interface", metavar="NAME", help="where to ask")
    add(
        "--ethertype",
        action="append",
        default=[],
        metavar="TYPE",
        help="ask through this one too; may be repeated",
    )
    add(
        "-c",
        "--count",
        type=_whole,
        default=3,
        metavar="N",
        help="requests of each kind, 0 = until interrupted; default: 3",
    )
    add("-W", "--timeout", default="500ms", metavar="TIME", help="wait so long for answers; default: 500ms")


def _survey(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("target", nargs="?", metavar="TARGET", help="a MAC or a name; default: who answers")
    add("-I", "--interface", metavar="NAME", help="where to probe from")
    add("--ethertypes", default="ETH_P_802_EX1,ETH_P_PAE", metavar="A,B", help="default: ETH_P_802_EX1,ETH_P_PAE")
    add("--to", default="unicast,broadcast,pae-group", metavar="A,B", help="default: unicast,broadcast,pae-group")
    add(
        "--vlans",
        default="none,0,100",
        metavar="A,B",
        help="none = untagged, OUTER.INNER = QinQ; default: none,0,100",
    )
    add("--priorities", default="0,7", metavar="A,B", help="in the tag, 0 to 7; default: 0,7")
    add("--sizes", default="64,max", metavar="A,B", help="octets, max = as the interface takes; default: 64,max")
    add(
        "-W",
        "--timeout",
        metavar="TIME",
        help="wait so long for a reply; default: ten round trips, at least 200ms",
    )


def _trace(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("-I", "--interface", metavar="NAME", help="this interface alone")
    add("--source", metavar="MAC", help="frames from this MAC alone")
    add(
        "--reason",
        action="append",
        metavar="REASON",
        help="this outcome alone: replied, or a reason as in stats; may be repeated",
    )
    add("-c", "--count", type=_whole, metavar="N", help="end after so many frames")
    add("--file", metavar="FILE", help="what the daemon would do with the frames of a capture: pcap or pcapng")


def _peers(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("-I", "--interface", metavar="NAME", help="of this interface's listeners alone")
    add("--most", type=_whole, metavar="N", help="so many, at most 1000; default: 100")


def _top(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("-i", "--interval", default="1s", metavar="TIME", help="between two looks; default: 1s")
    add("-c", "--count", type=_whole, metavar="N", help="looks; default: until Ctrl-C")


def _arm(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("what", choices=["loopback"], metavar="loopback", help="what to arm")
    add("--for", dest="duration", metavar="TIME", help="how long; default: 10m")
    add("-I", "--interface", metavar="NAME", help="which one; default: the only one")


def _disarm(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("what", nargs="?", choices=["loopback"], metavar="loopback", help="what to disarm; there is nothing else")
    add("-I", "--interface", metavar="NAME", help="which one; default: all of them")


def _rate(text: str) -> str:
    """The interval, as a duration."""
    rate = _whole(text)
    if not rate:
        raise argparse.ArgumentTypeError("at least one request a second")
    return f"{1_000_000_000 // rate}ns"


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


OPTIONS = {
    "probe": _probe,
    "discover": _discover,
    "survey": _survey,
    "trace": _trace,
    "peers": _peers,
    "top": _top,
    "arm": _arm,
    "disarm": _disarm,
}
