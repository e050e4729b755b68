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
from typing import Any

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder

from rawechod import events
from rawechod.events import Event
from systemd import journal as native

IDENTIFIER = "rawechod"
PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
"""syslog(3) priorities by level."""
QUEUE_LENGTH = 1024
REPEATS, WINDOW = 30, 30.0
"""At most so many entries of one kind in so many seconds."""

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


class _Repeats:
    """Limits each kind of event to REPEATS a WINDOW."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def admits(self, name: str) -> bool:
        now = time.monotonic()
        since, count = self._seen.get(name, (now, 0))
        if now - since > WINDOW:
            since, count = now, 0
        self._seen[name] = (since, count + 1)
        return count < REPEATS


class _Journal:
    """The process's one journal; silent until `start`."""

    def __init__(self) -> None:
        self._writer: _Writer | None = None
        self._threshold = 0
        self._repeats = _Repeats()

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
            self._writer.close()
        self._writer = None

    def emit(self, event: Event, **fields: object) -> None:
        """Write one entry; the fields fill the event's sentence and become RAWECHO_* journal fields."""
        if self._writer and PRIORITIES[event.level] <= self._threshold and self._repeats.admits(event.name):
            structlog.get_logger().msg(event.name, kind=event, **fields)


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
        "MESSAGE": event.message.format_map(fields),
        "PRIORITY": PRIORITIES[event.level],
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "RAWECHO_EVENT": event.name,
    }
    if event.message_id:
        entry["MESSAGE_ID"] = event.message_id
    # journald silently drops fields whose names are not upper case.
    return entry | {f"RAWECHO_{name.upper()}": value for name, value in fields.items()}


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
start, close, emit = _journal.start, _journal.close, _journal.emit
