"""One event, one structlog call, one journal entry; readable lines on stderr where there is no journal.

Writing may block when journald stalls, so a thread does it, behind a bounded queue: the loop never waits,
and what was lost is counted and told later.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder

from rawechod import events
from rawechod.events import Event
from rawechod.streams import printable_lines
from systemd import journal as native

IDENTIFIER = "rawechod"
PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
"""syslog(3) priorities by level."""
QUEUE_LENGTH = 1024
REPEATS, WINDOW = 30, 30_000_000_000
"""At most so many entries of one kind in so many nanoseconds."""

Entry = dict[str, Any]


class _Writer:
    """What structlog takes for a logger: hands entries to the writing thread."""

    def __init__(self, write: Callable[[Entry], None]) -> None:
        self._write = write
        self._queue: queue.Queue[Entry | None] = queue.Queue(QUEUE_LENGTH)
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def msg(self, **entry: Any) -> None:
        """Queue one entry; a full queue loses it, counted."""
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            self._lost += 1

    def close(self, timeout: float = 0.5) -> None:
        """Write what is queued, within a bounded time."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _run(self) -> None:
        while entry := self._queue.get():
            self._write(entry)
            if self._lost:
                lost, self._lost = self._lost, 0
                self._write(_as_entry(events.LOG_LOST, {"count": lost}))


@dataclass(slots=True)
class _Window:
    """The entries of one kind, written or not, since the first of them."""

    ends_at: int
    count: int = 0


class _Repeats:
    """Limits each kind of event to REPEATS a WINDOW; tells how many it left out when the WINDOW is over."""

    def __init__(self, tell: Callable[[str, int], None]) -> None:
        self._tell = tell
        self._windows: dict[str, _Window] = {}
        self.call_at: Callable[[int, Callable[[], None]], object] = lambda _when, _call: None

    def admits(self, name: str) -> bool:
        self._end(name)
        window = self._windows.setdefault(name, _Window(time.monotonic_ns() + WINDOW))
        window.count += 1
        if window.count == REPEATS + 1:
            self.call_at(window.ends_at, lambda: self._end(name))
        return window.count <= REPEATS

    def close(self) -> None:
        for name in list(self._windows):
            self._end(name, early=True)

    def _end(self, name: str, early: bool = False) -> None:
        window = self._windows.get(name)
        if window and (early or window.ends_at <= time.monotonic_ns()):
            del self._windows[name]
            if window.count > REPEATS:
                self._tell(name, window.count - REPEATS)


class _Journal:
    """The process's one journal; silent until `start`."""

    def __init__(self) -> None:
        self._writer: _Writer | None = None
        self._threshold = 0
        self._repeats = _Repeats(self._tell_left_out)

    def start(self, level: str = "info") -> None:
        """Begin to write; call it again to change the level."""
        self._threshold = PRIORITIES[level]
        if self._writer is None:
            self._writer = _Writer(_to_journal if stderr_is_journal() else _to_stderr)
            callsite = (CallsiteParameter.PATHNAME, CallsiteParameter.LINENO, CallsiteParameter.FUNC_NAME)
            structlog.configure(
                processors=[CallsiteParameterAdder(callsite, additional_ignores=[__name__]), _render],
                wrapper_class=structlog.BoundLogger,
                logger_factory=lambda *_: self._writer,
            )

    def close(self) -> None:
        """Write what is queued and stop."""
        if self._writer:
            self._repeats.close()
            self._writer.close()
        self._writer = None

    def emit(self, event: Event, **fields: object) -> None:
        """Write one entry; the fields fill the event's sentence and become RAWECHO_* journal fields."""
        if self._writer and PRIORITIES[event.level] <= self._threshold and self._repeats.admits(event.name):
            structlog.get_logger().msg(event.name, kind=event, **fields)

    def tell_in_time(self, call_at: Callable[[int, Callable[[], None]], object]) -> None:
        """Have a loop tell what was left out; without one the next entry of that kind does, or the end."""
        self._repeats.call_at = call_at

    def _tell_left_out(self, name: str, count: int) -> None:
        if self._writer:
            self._writer.msg(**_as_entry(events.LEFT_OUT, {"kind": name, "count": count}))


def stderr_is_journal() -> bool:
    """Whether systemd connected our stderr to the journal, systemd.exec(5), $JOURNAL_STREAM."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _render(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> tuple[tuple[()], Entry]:
    fields.pop("event")
    event = fields.pop("kind")
    site = {
        "CODE_FILE": fields.pop("pathname", ""),
        "CODE_LINE": int(fields.pop("lineno", 0)),
        "CODE_FUNC": fields.pop("func_name", ""),
    }
    return (), _as_entry(event, dict(fields)) | site


def _as_entry(event: Event, fields: Entry) -> Entry:
    entry: Entry = {
        "MESSAGE": printable_lines(event.message.format_map(fields)),
        "PRIORITY": PRIORITIES[event.level],
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "RAWECHO_EVENT": event.name,
    }
    if event.message_id:
        entry["MESSAGE_ID"] = event.message_id
    # journald silently drops fields whose names are not upper case.
    return entry | {f"RAWECHO_{name.upper()}": _shown(value) for name, value in fields.items()}


def _shown(value: object) -> object:
    return printable_lines(value) if isinstance(value, str) else value


def _to_journal(entry: Entry) -> None:
    try:
        native.sendv(*(f"{name}={value}".encode(errors="backslashreplace") for name, value in entry.items()))
    except OSError:
        pass  # No journal to tell it to.


def _to_stderr(entry: Entry) -> None:
    level = next(name for name, priority in PRIORITIES.items() if priority == entry["PRIORITY"])
    try:
        print(f"{time.strftime('%H:%M:%S')} {level:<8} {entry['MESSAGE']}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # Nobody reads stderr any more.


_journal = _Journal()
start, close, emit, tell_in_time = _journal.start, _journal.close, _journal.emit, _journal.tell_in_time
