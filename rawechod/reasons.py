"""Why a frame was not answered: the one list that counters, control interface and docs share."""

from __future__ import annotations

from enum import Enum


class DropReason(Enum):
    """A reason for not answering a frame; `value` is its name everywhere, `meaning` its documentation."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> DropReason:
        member = object.__new__(cls)
        member._value_ = value
        member.meaning = meaning
        return member

    TOO_SHORT = "too_short", "shorter than its headers and the Echo PDU"
    FOREIGN = "foreign", "another EtherType, EAPOL of a real 802.1X exchange, or (loopback) what the host needs"
    BAD_LENGTH = "bad_length", "the EAPOL body length does not fit the frame"
    BAD_MAGIC = "bad_magic", "the EtherType is ours, the first two octets are not"
    BAD_VERSION = "bad_version", "an Echo PDU of a version that we do not speak"
    BAD_OP = "bad_op", "an Echo PDU that is neither request nor reply"
    REPLY = "reply", "an echo reply to somebody else: never answered, so two responders can't play ping-pong"
    PROBE_REPLY = "probe_reply", "an echo reply to this host: a probe has it, the listener hears it beside"
    OWN_FRAME = "own_frame", "sent by this interface, perhaps returned by a hairpin bridge"
    BAD_SOURCE = "bad_source", "the source is a group or the zero address"
    NOT_FOR_US = "not_for_us", "the destination is neither our MAC nor a group that we answer"
    NOT_ALLOWED = "not_allowed", "the source is not in `allow`"
    TOO_LONG = "too_long", "longer than the interface's MTU lets us send (receive offload: GRO, LRO)"
    TAG_LOST = "tag_lost", 'the kernel took the VLAN tag away; set `tap = "all"` to answer'
    RATE_LIMIT = "rate_limit", "above the listener's `rate_limit`"
    PEER_RATE_LIMIT = "peer_rate_limit", "above `peer_rate_limit` for its source"
    STORM = "storm", "loopback: the peer is a loopback too, or one of more than can be watched"
    TRANSMIT_ERROR = "transmit_error", "the kernel refused the reply; `transmit_errors` has the errno, or `XDP_TX`"


class MalformedFrameError(Exception):
    """A frame that the decoders refuse; internal to the frame path, always turned into a counted drop."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.value)
        self.reason = reason
