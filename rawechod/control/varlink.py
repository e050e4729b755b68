"""NUL-framed JSON messages <-> Call, Reply, Error; see varlink.org. PURE, shared with rawechoctl.

+--------------------------------+------+--------------------------------+------+
| {"method": ..., ...}           | 0x00 | {"method": ..., ...}           | 0x00 |
+--------------------------------+------+--------------------------------+------+
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Importing typing would cost `rawechoctl status` a tenth of its time.
    from typing import Any

    Parameters = dict[str, Any]
else:
    Parameters = dict

MESSAGE_LIMIT, CALL_LIMIT = 1 << 20, 1 << 16
"""Longest message, octets, and longest that the daemon takes: everybody may make it keep and parse one."""
INTERFACE = "io.rawecho.Control"
SERVICE = "org.varlink.service"


class ProtocolError(Exception):
    """The other side does not speak Varlink."""


class CallError(Exception):
    """A method's typed error: its wire name and its parameters."""

    def __init__(self, name: str, **parameters: object) -> None:
        super().__init__(name)
        self.name = name if "." in name else f"{INTERFACE}.{name}"
        self.parameters: Parameters = parameters


class Call:
    """A client's message."""

    __slots__ = ("method", "more", "oneway", "parameters")

    def __init__(self, method: str, parameters: Parameters, more: bool = False, oneway: bool = False) -> None:
        self.method = method
        self.parameters = parameters
        self.more = more
        self.oneway = oneway


class Reply:
    """A server's message; `error` is the error's name, empty for success."""

    __slots__ = ("continues", "error", "parameters")

    def __init__(self, parameters: Parameters, continues: bool = False, error: str = "") -> None:
        self.parameters = parameters
        self.continues = continues
        self.error = error


class Framer:
    """Cuts a stream of octets into messages, however the octets are dealt out."""

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes; raises ProtocolError above the limit."""
        # Only the new octets can hold a new end: looking at the old ones again would be quadratic.
        if b"\0" not in data:
            self._rest += data
            messages: list[bytes] = []
        else:
            *messages, rest = (bytes(self._rest) + data).split(b"\0")
            self._rest = bytearray(rest)
        if max(map(len, [*messages, self._rest])) > self._limit:
            raise ProtocolError(f"a message is longer than {self._limit} octets")
        return messages


def decode_call(message: bytes) -> Call:
    """Raises ProtocolError with a sentence."""
    fields = _decode(message)
    method, parameters = fields.get("method"), _parameters(fields)
    if not isinstance(method, str):
        raise ProtocolError("the message has no method")
    if fields.get("upgrade"):
        raise ProtocolError("upgrades are not offered")
    return Call(method, parameters, bool(fields.get("more")), bool(fields.get("oneway")))


def decode_reply(message: bytes) -> Reply:
    """Raises ProtocolError with a sentence."""
    fields = _decode(message)
    error = fields.get("error") or ""
    if not isinstance(error, str):
        raise ProtocolError("the error has no name")
    return Reply(_parameters(fields), bool(fields.get("continues")), error)


def encode_call(call: Call) -> bytes:
    """The message, with its end."""
    flags = {name: True for name in ("more", "oneway") if getattr(call, name)}
    return _encode({"method": call.method, "parameters": call.parameters, **flags})


def encode_reply(parameters: Parameters, continues: bool = False) -> bytes:
    """The message, with its end."""
    return reply_of(_json(parameters), continues)


def reply_of(parameters: str, continues: bool = False) -> bytes:
    """The same, of parameters that are JSON already."""
    more = ',"continues":true' if continues else ""
    return f'{{"parameters":{parameters}{more}}}'.encode() + b"\0"


def encode_error(error: CallError) -> bytes:
    """The message, with its end."""
    return _encode({"error": error.name, "parameters": error.parameters})


def _encode(fields: Parameters) -> bytes:
    return _json(fields).encode() + b"\0"


def _json(fields: Parameters) -> str:
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def _decode(message: bytes) -> Parameters:
    try:
        fields = json.loads(message.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the message is no JSON") from error
    if not isinstance(fields, dict):
        raise ProtocolError("the message is no JSON object")
    return fields


def _parameters(fields: Parameters) -> Parameters:
    parameters = fields.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise ProtocolError("the parameters are no JSON object")
    return parameters
