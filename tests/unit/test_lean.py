"""What the daemon loads, and what it does not."""

from __future__ import annotations

import subprocess
import sys


def loaded(*modules: str) -> list[str]:
    """Those of the modules that a new `rawechod` has loaded before it reads its command line."""
    script = f"import rawechod.__main__, sys; print(*(name for name in {modules} if sys.modules.get(name)))"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()


def test_the_daemon_loads_nothing_that_it_does_not_use() -> None:
    """No TLS, no OpenSSL, no colours; the libraries that would bring them are there all the same."""
    assert loaded("structlog", "pydantic", "_ssl", "ssl", "_hashlib", "rich") == ["structlog", "pydantic"]


def test_what_is_loaded_is_not_looked_through_for_garbage() -> None:
    """The collector has next to nothing to do behind the imports."""
    code = "import gc, rawechod.__main__; print(gc.get_freeze_count() > 10 * len(gc.get_objects()))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "True\n"
