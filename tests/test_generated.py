"""What is told twice is generated from what is told once, and is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rawechod import config
from rawechod.config import Config

ROOT = Path(__file__).resolve().parent.parent


def test_generated_files_are_up_to_date() -> None:
    """Nothing was edited by hand, nothing forgotten."""
    command = [sys.executable, str(ROOT / "packaging" / "generate.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_default_file_says_the_defaults() -> None:
    """The shipped file and no file mean the same."""
    assert config.load(str(ROOT / "etc" / "rawecho" / "config.toml")) == Config()
