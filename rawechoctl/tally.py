"""What a client counts of a probe while it runs. The daemon's summary has the last word, where there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice

from rawechod.control.varlink import Parameters as Body
from rawechod.probe.statistics import Moments, RttStatistics, RttValues

REMEMBERED = 4096
"""Answered requests, so that a group's further replies do not count as further requests."""
NUMBERS = 1 << 32
"""`seq` begins anew after so many."""
ABOUT = ("interface", "ethertype", "target", "size", "interval_ns", "timeout_ns")
SENT_AS = ("vlan", "pcp", "pattern", "flood", "hello")
RARE = ("late", "duplicates", "reordered", "corrupted")
ALONE = ("residence_ns", "forward_ns", "backward_ns")
"""Times beside the round trip."""
NOT_KNOWN = ("strangers", "longest_loss_run", "outage_s", "achieved_interval_ns", "unusable_stamps")


class Tally:
    """Counts and percentiles in a memory that does not grow with the run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self.start: Body = {}
        self.answered = 0
        self.lost = 0
        self.rare: Counter[str] = Counter()
        """Duplicates and their like, those that happened."""
        self._began = clock()
        self._sent = 0
        """The highest number that was heard of."""
        self._refused: Counter[str] = Counter()
        self._stamped: Counter[str] = Counter()
        self._statistics = RttStatistics()
        self._moments = {name: Moments() for name in ALONE}
        self.reported: Counter[str] = Counter()
        """What intervals tell: with --quiet there is nothing else."""
        self._seen: dict[int, None] = {}

    def take(self, event: str, body: Body) -> None:
        """Count one event."""
        if event == "start":
            self.start = body
        elif event == "using":
            self.start = self.start | {"target": body["mac"]}
        elif event == "lost":
            self.lost += 1
            self._number(body["seq"])
            if body["error"]:
                self._refused[body["error"]] += 1
        elif event in ("late", "duplicate"):
            self.rare["late" if event == "late" else "duplicates"] += 1
        elif event == "reply":
            self.rare.update(word for word in ("reordered", "corrupted") if body[word])
            self._reply(body)
        elif event == "interval":
            self.reported.update({name: body[name] for name in ("sent", "received", "lost", *RARE)})

    def _number(self, seq: int) -> int:
        """The number of a request, from its low 32 bits."""
        number = self._sent + (seq - self._sent + NUMBERS // 2) % NUMBERS - NUMBERS // 2
        self._sent = max(self._sent, number)
        return number

    def _reply(self, body: Body) -> None:
        number = self._number(body["seq"])
        if number in self._seen:
            return
        self.answered += 1
        self._statistics.record(number, body["rtt_ns"])
        self._stamped.update(kind for kind in ("kernel", "hardware") if body[f"{kind}_stamped"])
        for name in ALONE:
            if body[name]:
                self._moments[name].record(body[name])
        self._seen[number] = None
        if len(self._seen) > 2 * REMEMBERED:
            for old in list(islice(self._seen, REMEMBERED)):
                del self._seen[old]

    @property
    def empty(self) -> bool:
        """Whether nothing was heard of the probe."""
        return not (self.start or self.reported)

    def rtt(self) -> RttValues | None:
        """Figures of the round-trip times so far."""
        return self._statistics.rtt()

    def summary(self) -> Body:
        """What is known if nothing more comes, as the daemon's summary has it; None where that is not known."""
        return {
            **{name: self.start.get(name) for name in (*ABOUT, *SENT_AS)},
            **self._counts(),
            **self._times(),
            "duration_s": round(self._clock() - self._began, 6),
            "timestamps": self._timestamps(),
            "ended": "cut_off",
            "outages": [],
            "send_errors": dict(self._refused),
            **{name: [] for name in ("responders", "notes", "authenticators")},
            "untold": 0,
            **dict.fromkeys(NOT_KNOWN),
        }

    def _counts(self) -> Body:
        sent, received, lost, rare = self._sent, self.answered, self.lost, self.rare
        if not sent:
            sent, received, lost = (self.reported[name] for name in ("sent", "received", "lost"))
            rare = self.reported
        refused = sum(self._refused.values())
        return {
            "sent": sent,
            "received": received,
            "lost": lost,
            "loss_ratio": round(lost / (received + lost), 6) if received + lost else None,
            "outstanding": sent - received - lost,
            **{name: rare[name] for name in RARE},
            **dict.fromkeys(("lost_forward", "lost_backward", "lost_responder"), 0),
            "lost_here": refused,
            "lost_undetermined": max(lost - refused - rare["late"], 0),
        }

    def _times(self) -> Body:
        times = {"rtt_ns": self.rtt(), "ipdv_ns": self._statistics.ipdv(), "pdv_ns": self._statistics.pdv()}
        times |= {name: moments.values() for name, moments in self._moments.items()}
        return {name: asdict(values) if values else None for name, values in times.items()}

    def _timestamps(self) -> str:
        if not self._stamped:
            return "user"
        return next((kind for kind, count in self._stamped.items() if count == self.answered), "mixed")
