"""`/etc/rawecho/config.toml`: pydantic models; TOML in, Config or one readable ConfigError out.

The models are the schema's only definition: `etc/rawecho/config.toml` and `docs/configuration.md` are
generated from them.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from rawechod import config_problems
from rawechod.config_problems import ConfigError, Problem
from rawechod.durations import UNITS, format_duration, parse_duration
from rawechod.wire import ethernet

DEFAULT_PATH = "/etc/rawecho/config.toml"
SMALLEST_INTERVAL = 10 * UNITS["us"]
LARGEST_FRAME = 65_535 + ethernet.HEADER_LENGTH
LONGEST_FILE = 1 << 20
"""Octets; of which a configuration with everything at its bounds takes half."""
DEEPEST_KEY = 16
"""Parts of a dotted key: what the parser takes in time and memory grows with their square."""
MOST_LISTENERS = 512
MOST_HOSTS = 10_000
MOST_NAMES = 64
"""Operators: each is looked up."""
LONGEST_NAME = 64
MOST_SOURCES = 4096
LARGEST_SHOWN = 768 << 10
"""Octets of JSON: GetConfig's reply is one message, which has a bound of its own."""


def _duration(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = f"{value:.9f}" if isinstance(value, float) else str(value)
    if not isinstance(value, str):
        raise ValueError("a duration is a text such as 200ms, or a number of seconds")
    return parse_duration(value)


def _mac(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a MAC address is a text such as 02:00:00:00:00:0b")
    return ethernet.parse_mac(value)


def _source(mac: bytes) -> bytes:
    if ethernet.is_group(mac):
        raise ValueError("a group address can't be a source")
    return mac


def _host(name: str) -> str:
    """A name that finds its way through a command line and is nobody else's there."""
    if name in ethernet.GROUPS:
        raise ValueError("a group address has that name")
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or " " in name or name.startswith("-"):
        raise ValueError(
            f"a name is not empty, has no space and at most {LONGEST_NAME} characters and does not begin with a "
            "hyphen"
        )
    try:
        ethernet.parse_mac(name)
    except ValueError:
        return name
    raise ValueError("a name must not be a MAC address itself")


def _interface(name: str) -> str:
    if not 0 < len(name.encode()) < 16 or name in (".", "..") or any(c in "/:\0" or c.isspace() for c in name):
        raise ValueError(
            "an interface name has 1 to 15 characters, no slash, no colon and no space; altnames won't do"
        )
    return name


def _probe_ethertype(name: str) -> str:
    if ethernet.parse_ethertype(name) == ethernet.ETH_P_ALL:
        raise ValueError("a probe needs one EtherType: ETH_P_802_EX1, ETH_P_PAE or a number such as 0x88B6")
    return name


Duration = Annotated[int, BeforeValidator(_duration), PlainSerializer(format_duration)]
"""Nanoseconds."""
Mac = Annotated[bytes, BeforeValidator(_mac), PlainSerializer(ethernet.format_mac)]
Host = Annotated[str, AfterValidator(_host)]
Interface = Annotated[str, AfterValidator(_interface)]
ProbeEtherType = Annotated[str, AfterValidator(_probe_ethertype)]
HostEtherType = Literal["ETH_P_IP", "ETH_P_ARP", "ETH_P_IPV6", "ETH_P_SLOW", "ETH_P_PAE", "ETH_P_LLDP"]
"""The names of ethernet.HOST_ETHERTYPES."""
EtherTypeName = Literal["ETH_P_ALL", "ETH_P_PAE", "ETH_P_802_EX1"]
Count = Annotated[int, Field(ge=0, le=2**32 - 1)]
Interval = Annotated[Duration, Field(ge=SMALLEST_INTERVAL, le=UNITS["h"])]
ReportEvery = Annotated[Duration, Field(ge=100 * UNITS["ms"], le=24 * UNITS["h"])]
Timeout = Annotated[Duration, Field(ge=UNITS["us"], le=60 * UNITS["s"])]
Spin = Annotated[Duration, Field(ge=0, le=10 * UNITS["ms"])]
Size = Annotated[int, Field(ge=ethernet.MINIMUM_FRAME, le=LARGEST_FRAME)]
Rate = Annotated[int, Field(ge=0, le=100_000_000)]


class Table(BaseModel):
    """What all tables share: unknown keys are errors, TOML's types are taken at their word."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Echo(Table):
    """A listener: answers echo requests on one interface. Write one `[[echo]]` table a listener, at most 512."""

    interface: Interface = Field(
        "lo", description="Where to answer. The default works on every machine and reaches nobody else."
    )
    ethertype: EtherTypeName = Field(
        "ETH_P_ALL",
        description="Which frames to listen to: every EtherType, 802.1X's 0x888E alone, or 0x88B5 alone.",
    )
    domain: Literal["AF_PACKET", "PF_PACKET"] = Field(
        "AF_PACKET", description="The socket's address family; both names mean the same one."
    )
    mode: Literal["echo", "loopback", "hello"] = Field(
        "echo",
        description="`echo` answers echo requests; `loopback` returns every unicast frame to our own MAC to its "
        "source, for test generators, while it is armed (`rawechoctl arm loopback`); `hello` is the tutorial's "
        "server, on `lo` only.",
    )
    loopback_ethertypes: list[HostEtherType] = Field(
        [],
        description="Mode `loopback` returns no frames of EtherTypes that the host itself needs, ETH_P_IP, "
        "ETH_P_ARP, ETH_P_IPV6, ETH_P_SLOW (LACP), ETH_P_PAE and ETH_P_LLDP, but for those named here.",
    )
    loopback_armed: bool = Field(
        False, description="Mode `loopback`: armed from the start, without limit, until somebody disarms it."
    )
    engine: Literal["auto", "epoll", "ebpf"] = Field(
        "auto",
        description="What answers: `epoll` in this process, `ebpf` in the kernel (an XDP program; it needs the "
        "unit's drop-in ebpf.conf, and a tcpdump here does not see what it answers). `auto` takes `ebpf` where "
        "that is permitted, else `epoll`.",
    )
    xdp: Literal["auto", "native", "generic"] = Field(
        "auto",
        description="Where the ebpf engine's program runs: in the driver (`native`), or behind it (`generic`). "
        "`native` gives way to `generic` where the driver refuses it, and once its counters tell that answers "
        "don't leave; many NICs interrupt the link to attach it. `auto` tries it with tun and virtio_net alone, "
        "which don't.",
    )
    spin: Spin = Field(
        0,
        description="The epoll engine does not sleep for so long after a frame, such as `50us`: the next one is "
        "answered sooner, at the price of a core that is busy meanwhile. 0s = sleep.",
    )
    tap: Literal["auto", "protocol", "all"] = Field(
        "auto",
        description="What the socket is bound to: its EtherType (`protocol`: other traffic costs nothing, tagged "
        "frames can't be answered), or everything (`all`: for trunks, with VLAN tags). `auto` takes `all` "
        "for ETH_P_ALL and on ports of a bridge, bond or team, else `protocol`.",
    )
    promiscuous: bool = Field(
        False, description="Hear frames that the NIC's filters would drop, for trunks with unknown VLANs."
    )
    rate_limit: Rate = Field(100_000, description="Most answers a second, 0 = no limit.")
    peer_rate_limit: Rate = Field(20_000, description="Most answers a second to one source MAC, 0 = no limit.")
    allow: list[Annotated[Mac, AfterValidator(_source)]] = Field(
        [], max_length=MOST_SOURCES, description="Source MACs that are answered, at most 4096; empty = any."
    )


class Probe(Table):
    """What `rawechoctl probe` uses where the command line is silent."""

    interface: Interface | None = Field(
        None, description="Where to probe from; default: the only listener's interface."
    )
    target: Mac | None = Field(
        None, description="Whom to probe, a MAC; default: whoever answers a request to everybody."
    )
    ethertype: ProbeEtherType | None = Field(
        None, description="Default: the listener's, or ETH_P_802_EX1 where that is ETH_P_ALL."
    )
    interfaces: list[Interface] = Field(
        [],
        max_length=MOST_LISTENERS,
        description="Further interfaces that operators may probe from, beside the listeners'; at most 512.",
    )
    count: Count = Field(10, description="Requests, 0 = until interrupted.")
    interval: Interval = Field(UNITS["s"], description="Time between two requests.")
    timeout: Timeout = Field(UNITS["s"], description="A reply that takes longer is late, its request lost.")
    size: Size = Field(60, description="Octets on the wire without FCS and without VLAN tag.")


class Control(Table):
    """Who may do what on the control socket. Reading is for everybody."""

    operators: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        ["root", "@rawecho"],
        max_length=MOST_NAMES,
        description="Users, and @groups, that may probe, arm and reload; at most 64.",
    )


class Log(Table):
    """What goes to the journal."""

    level: Literal["debug", "info", "notice", "warning", "error"] = Field(
        "info", description="The least important entries that are written."
    )


class Config(Table):
    """The whole file."""

    echo: list[Echo] = Field(default_factory=lambda: [Echo()], max_length=MOST_LISTENERS)
    probe: Probe = Field(default_factory=Probe)
    control: Control = Field(default_factory=Control)
    log: Log = Field(default_factory=Log)
    hosts: dict[Host, Annotated[Mac, AfterValidator(_source)]] = Field(
        {},
        max_length=MOST_HOSTS,
        description="Names for MACs, to probe by, at most 10000; before those of /etc/ethers.",
    )


TABLES: dict[str, type[Table]] = {"echo": Echo, "probe": Probe, "control": Control, "log": Log}


def load(path: str) -> Config:
    """Read a file; raises ConfigError with all its problems.

    Whatever the file has in it, that takes no more than seconds and some ten megabytes.
    """
    try:
        text = _read(path).decode()
        _check_depth(text)
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(path, [Problem("", f"can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, [Problem("", f"is no UTF-8 text (octet {error.start})")]) from error
    except (ValueError, RecursionError) as error:  # ValueError: tomllib's own, and that of a number's many digits
        raise ConfigError(path, [Problem("", f"is no TOML: {config_problems.sentence(error)}")]) from error
    return parse(data, path)


def _read(path: str) -> bytes:
    """Files alone: a reload that waits for a pipe's other end would hold up the loop."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        octets = file.read(LONGEST_FILE + 1)
    if len(octets) > LONGEST_FILE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return octets


_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5})?'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5})?"
    r'|"(?:[^"\\\n]|\\.)*+"?|'
    r"'[^'\n]*+'?|#[^\n]*+",
    re.DOTALL,
)
"""As TOML has them; each matches where its end is missing, too, so that nothing is looked at twice."""


def _check_depth(text: str) -> None:
    """Raises ValueError where a key has too many parts."""
    bare = _STRING_OR_COMMENT.sub("s", text)
    if any(part.count(".") >= DEEPEST_KEY for part in re.split(r"[=,{}\[\]\n]", bare)):
        raise ValueError(f"a dotted key has more than {DEEPEST_KEY} parts")


def parse(data: dict[str, Any], source: str) -> Config:
    """Validate tables that came from `source`; raises ConfigError with all their problems."""
    if isinstance(data.get("echo"), dict):
        data = data | {"echo": [data["echo"]]}
    problems = config_problems.across_listeners(data, MOST_LISTENERS)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        known = {name: list(getattr(TABLES.get(name), "model_fields", [])) for name in Config.model_fields}
        problems = config_problems.from_pydantic(error, data, known) + problems
    if problems:
        raise ConfigError(source, problems)
    shown = len(json.dumps(dump(config)))
    if shown > LARGEST_SHOWN:
        sentence = f"is too long: {shown} octets as JSON, of which {LARGEST_SHOWN} can be shown"
        raise ConfigError(source, [Problem("", sentence)])
    return config


def dump(config: Config) -> dict[str, Any]:
    """The configuration as JSON's types, every key there."""
    return config.model_dump(mode="json")


def given(config: Config) -> dict[str, Any]:
    """What the file has, as JSON's types: `parse` makes the same of it."""
    return config.model_dump(mode="json", exclude_unset=True)
