"""Running the control tool without a daemon's help."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.lab import REPOSITORY

TOOL = [sys.executable, "-m", "rawechoctl"]
SILENT = "02:00:00:00:00:99"
"""Nobody on lo has this MAC."""


def tool(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it without naming a daemon."""
    inherited = {name: value for name, value in os.environ.items() if name != "RAWECHO_SOCKET"}
    return subprocess.run(
        [*TOOL, *arguments],
        cwd=REPOSITORY,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
