"""A headless Chromium that tests look at a page with. It speaks the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
Message = dict[str, Any]


class Browser:
    """One with a tab, which keeps all that the page says and asks for."""

    PATIENCE = 60

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="rawecho-chromium-")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._in, self._out = ours_in, ours_out
        # It reads from descriptor 3 and writes to 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        command = ["chromium", *FLAGS, f"--user-data-dir={self._profile}", "--remote-debugging-pipe"]
        silent = subprocess.DEVNULL
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            **dict.fromkeys(("stdin", "stdout", "stderr"), silent),  # type: ignore[call-overload]
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._numbers = itertools.count(1)
        self._unread = b""
        self.events: list[Message] = []
        """What it told unasked, as it came."""
        self._session: str | None = None
        self._open_tab()

    def _open_tab(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Message:
        """Have it do something, and return the result."""
        message = {"id": next(self._numbers), "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._wait_for(lambda got: got.get("id") == message["id"])
        assert "error" not in answer, answer
        result: Message = answer["result"]
        return result

    def open(self, url: str, width: int, height: int = 900, scheme: str = "light") -> None:
        """Show a page in a window of this size, on a phone if it is small, and wait until it is all there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=url)
        self._wait_for(lambda got: got.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requested(self) -> list[str]:
        """The addresses that the page has asked for."""
        asked = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def complaints(self) -> list[Message]:
        """Errors and warnings of the console."""
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event for event in self.events if event["method"] in kinds]

    def _wait_for(self, wanted: Any) -> Message:
        deadline = time.monotonic() + self.PATIENCE
        while True:
            message = self._message(deadline)
            if "method" in message:
                self.events.append(message)
            if wanted(message):
                return message

    def _message(self, deadline: float) -> Message:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self._in, 1 << 20) if ready else b""
            assert data, "Chromium has nothing to say"
            self._unread += data
        text, _, self._unread = self._unread.partition(b"\0")
        message: Message = json.loads(text)
        return message

    def close(self) -> None:
        """End it, with all its processes, and take its profile away."""
        os.close(self._out)
        os.close(self._in)
        with self._process:
            try:
                self._process.wait(10)  # It ends when its pipe does.
            except subprocess.TimeoutExpired:
                self._process.kill()
        shutil.rmtree(self._profile, ignore_errors=True)
