"""The journal's events: each kind once, with its sentence, its level, its MESSAGE_ID and what to do about it.

`systemd/rawecho.catalog` and `docs/operating.md` are generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of journal entry. `message` is filled with the fields of the call."""

    name: str
    level: str
    message: str
    message_id: str = ""
    """A 128-bit ID where an operator may act on it."""
    advice: str = ""


STARTED = Event(
    "started",
    "info",
    "rawechod {version} is ready, configuration {config}, control socket {control}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e01",
    "The daemon serves its control socket. Ask it with `rawechoctl status`.",
)
NOT_STARTED = Event(
    "not_started",
    "error",
    "Not started: {problem}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e0a",
    "Nothing runs. With an error in the configuration, mend the file (`rawechod --check-config` shows every\n"
    "error) and `systemctl start rawechod`; systemd does not try again by itself.",
)
STOPPING = Event("stopping", "info", "Stopping on {signal}")
LISTENER_UP = Event(
    "listener_up",
    "info",
    "{interface}: answering {ethertype} as {mac}, mode {mode}, engine {engine}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e02",
    "The interface is there and has a carrier; echo requests to it are answered from now on.",
)
LISTENER_DOWN = Event(
    "listener_down",
    "warning",
    "{interface}: down, nothing is answered until it is up",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e03",
    "Look at the cable, the switch port and `ip link show {interface}`. Nothing has to be restarted: the\n"
    "listener answers again as soon as the interface is up and has a carrier.",
)
LISTENER_ABSENT = Event(
    "listener_absent",
    "warning",
    "{interface}: there is no such interface; waiting for it{hint}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e04",
    "The interface of the configuration does not exist, was removed, renamed or moved to another network\n"
    "namespace. Compare `ip link` with the `interface` keys of the configuration, where altnames will not do.\n"
    "The listener starts by itself when an interface of that name appears.",
)
LISTENER_UNFIT = Event(
    "listener_unfit",
    "error",
    "{interface}: not usable: {problem}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e05",
    "The interface exists but frames can't be answered on it. Name another one in the configuration and\n"
    "`systemctl reload rawechod`.",
)
LISTENER_CHANGED = Event("listener_changed", "notice", "{interface}: now {mac}, MTU {mtu}")
ENGINE_FALLBACK = Event(
    "engine_fallback",
    "warning",
    "{interface}: the {engine} engine answers, for ebpf can't: {problem}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e0b",
    "Everything is answered, at more cost than in the kernel. Where the permission is missing, install the\n"
    "unit's drop-in: /usr/share/rawecho/ebpf.conf says how. Where another XDP program is attached to the\n"
    'interface (`ip link show {interface}`), one of the two has to go. `engine = "epoll"` ends the message.',
)
XDP_ON_TRIAL = Event("xdp_on_trial", "info", "{interface}: native XDP, on trial over its first answers")
XDP_PROVED = Event("xdp_proved", "info", "{interface}: native XDP stays: its answers do leave")
XDP_FALLBACK = Event(
    "xdp_fallback",
    "warning",
    "{interface}: XDP in generic mode, for native is no use: {problem}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e0f",
    "Everything is answered in the kernel, a little later than in the driver. On a veth, native answers leave\n"
    "only while the peer has a native XDP program. Where VLAN tags are the problem, `ethtool -K {interface}\n"
    'rxvlan off` leaves them in the frames; `systemctl reload rawechod` tries again. `xdp = "generic"` ends\n'
    "the message.",
)
LOOPBACK_ARMED = Event(
    "loopback_armed",
    "notice",
    "{interface}: loopback armed{hint}, by uid {uid}: unicast frames to {mac} go back to their sources",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e0c",
    "A test generator that sends to this MAC gets its frames back. `rawechoctl disarm` ends it at once;\n"
    "`rawechoctl status` shows the time that is left.",
)
LOOPBACK_DISARMED = Event(
    "loopback_disarmed",
    "notice",
    "{interface}: loopback is not armed{hint}: nothing is returned",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e0d",
    "`rawechoctl arm loopback --for 10m` arms it for ten minutes, `loopback_armed = true` in the\n"
    "configuration from the start.",
)
STORM_BREAKER_OPEN = Event(
    "storm_breaker_open",
    "warning",
    "{interface}: {peer} returns what is returned to it: nothing goes back to it for {seconds} s",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e0e",
    "The peer is a loopback too: a frame between the two went round for ever. Disarm one of them\n"
    "(`rawechoctl disarm`), or set `allow` to the test generator's MAC.",
)
STORM_BREAKER_CLOSED = Event("storm_breaker_closed", "notice", "{interface}: frames of {peer} are returned again")
BRIDGE_PORT = Event(
    "bridge_port",
    "notice",
    "{interface}: port of the bridge {bridge}: group frames end here unless the bridge forwards them",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e06",
    "A bridge does not forward the PAE group address. Probe the port by its MAC, or let the bridge forward\n"
    "the group (group_fwd_mask 8). The bridge may share this port's MAC: give it no listener of its own.",
)
RELOADED = Event("reloaded", "info", "Configuration {config} is in force")
RELOAD_REFUSED = Event(
    "reload_refused",
    "error",
    "Old configuration kept: {problem}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e07",
    "The changed file has an error, so all of it was refused and the running configuration stays in force.\n"
    "`rawechod --check-config` shows every error. Mend the file and reload again.",
)
PROBE_STARTED = Event("probe_started", "info", "{interface}: probe of {target} for uid {uid}")
PROBE_ENDED = Event(
    "probe_ended",
    "info",
    "{interface}: probe of {target} ended: {sent} sent, {received} received, {lost} lost",
)
PROBE_GAVE_UP = Event("probe_gave_up", "info", "{interface}: probe of {target} gave up: {problem}")
REFUSED = Event("refused", "notice", "uid {uid} may not call {method}")
CLIENT_CUT_OFF = Event(
    "client_cut_off",
    "warning",
    "A control client of uid {uid} was cut off: {problem}",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e08",
    "A client did not read its replies, sent something endless, or opened too many connections. Others are\n"
    "not affected.",
)
UNKNOWN_OPERATOR = Event(
    "unknown_operator",
    "warning",
    "control.operators names {operator}, which this system does not know",
    "2b7f9d5c1a6e4c0f8a4e0a7d3c5b9e09",
    "Create the user or the group (`systemd-sysusers` makes @rawecho), then `systemctl reload rawechod`.",
)
LOG_LOST = Event("log_lost", "warning", "{count} journal entries were not written: the journal stalled")
LEFT_OUT = Event(
    "left_out",
    "warning",
    "{count} entries of the kind {kind} were left out: more than 30 in 30 seconds",
)
FAILED = Event("failed", "critical", "Internal error in {place}; please report it")

EVENTS = tuple(value for value in list(globals().values()) if isinstance(value, Event))

FIELDS = {
    "event": "the kind of entry",
    "interface": "the interface that it is about",
    "ethertype": "the listener's EtherType",
    "mac": "the interface's MAC address",
    "mtu": "the interface's MTU",
    "mode": "the listener's mode: `echo`, `loopback` or `hello`",
    "engine": "what answers",
    "hint": "more of it, where it is known: what became of an interface that is gone, how long, or why",
    "peer": "the MAC address at the other end",
    "seconds": "for how long",
    "bridge": "the bridge that the interface is a port of",
    "problem": "what is wrong, a sentence",
    "config": "where the configuration came from",
    "control": "where the control socket is",
    "version": "the daemon's version",
    "signal": "the signal that ended the daemon",
    "uid": "the user of a control client",
    "method": "the control method that was called",
    "operator": "a user or @group that `control.operators` names",
    "target": "whom a probe asked: a MAC or a group address",
    "sent": "requests of a probe",
    "received": "those of them that were answered in time",
    "lost": "those of them that were not",
    "count": "how many entries were lost or left out",
    "kind": "of which kind they would have been, a RAWECHO_EVENT",
    "place": "the part of the daemon that failed",
}
"""The entries' own fields, `RAWECHO_` and these names in upper case, and what they mean."""
