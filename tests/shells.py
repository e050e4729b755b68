"""What a user's shell completes: bash and zsh on terminals of their own, fish by its own account."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import sys
import termios
from pathlib import Path
from typing import Protocol

import pytest

from tests.lab import Host

PROMPT = "@@ "
LIST, TO_START, TO_END, ERASE = "\x1b?", "\x01", "\x05", "\x15"
DEADLINE = 20
ARGUMENTS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
SET_UP = {
    "bash": [
        "bind 'set completion-query-items 0'",
        "bind 'set page-completions off'",
        "bind 'set completion-display-width 0'",
        "bind 'set enable-bracketed-paste off'",
        "source {share}/bash-completion/completions/rawechoctl",
    ],
    "zsh": [
        "fpath=({share}/zsh/vendor-completions $fpath)",
        "autoload -U compinit",
        "compinit -D",
        "bindkey -e",
        "bindkey '\\e?' list-choices",
        "zstyle ':completion:*' verbose no",
        "LISTMAX=0",
        "unset zle_bracketed_paste",
    ],
}


class Shell(Protocol):
    """A shell with the completions that are to be tried."""

    def candidates(self, line: str) -> set[str]:
        """What it offers for the last word of the line."""

    def completed(self, line: str) -> str:
        """The line after the completion of its last word, which is unambiguous."""

    def close(self) -> None:
        """End it."""


def start(name: str, host: Host, share: Path, socket: Path) -> Shell:
    """`bash`, `zsh` or `fish` in a host; `rawechoctl` is on its PATH and asks the daemon at this socket."""
    if not shutil.which(name):
        pytest.skip(f"needs {name}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "RAWECHO_SOCKET": str(socket), "TERM": "dumb", "PS1": PROMPT}
    return Fish(host, share, environment) if name == "fish" else Terminal(name, host, share, environment)


class Terminal:
    """A shell with a terminal, which is typed into."""

    def __init__(self, name: str, host: Host, share: Path, environment: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        # Wide, so that no line is broken.
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 1000, 0, 0))
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
        self._process = host.popen(*ARGUMENTS[name], env=environment, start_new_session=True, **pipes)
        os.close(slave)
        set_up = "; ".join([f"PS1='{PROMPT}'", *SET_UP[name], "echo SET''UP"])
        self._type(set_up.replace("{share}", str(share)) + "\n")
        self._until(f"SETUP\r\n.*{PROMPT}$")

    def candidates(self, line: str) -> set[str]:
        """The list that the shell shows; it shows the line again behind that, or no list at all."""
        shown = self._try(line + LIST)
        listed, again, _ = shown.partition(line)[2].partition(PROMPT + line)
        return set(listed.split()) if again else set()

    def completed(self, line: str) -> str:
        """The line after the key for completion, printed by itself."""
        shown = self._try(f"{line}\t{TO_START}echo '<{TO_END}>' ; ")
        printed: list[str] = re.findall("^<(.*)>\r?$", shown, re.MULTILINE)
        return printed[-1].strip()

    def _try(self, keys: str) -> str:
        """Type keys, erase or carry out the line, and wait until the shell asks for another."""
        execute = "" if TO_END in keys else ERASE
        self._type(f"{keys}{execute}echo E''ND\n")
        return self._until(f"END\r\n.*{PROMPT}$")

    def _type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def _until(self, pattern: str) -> str:
        shown = ""
        while not re.search(pattern, shown, re.DOTALL):
            ready, _, _ = select.select([self._master], [], [], DEADLINE)
            assert ready, f"waited {DEADLINE} s in vain for {pattern!r} in {shown!r}"
            shown += os.read(self._master, 65536).decode()
        return shown

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)


class Fish:
    """fish tells without a terminal what it would offer there."""

    def __init__(self, host: Host, share: Path, environment: dict[str, str]) -> None:
        self._host, self._environment = host, environment
        self._set_up = f"source {share}/fish/vendor_completions.d/rawechoctl.fish"

    def candidates(self, line: str) -> set[str]:
        """What `complete -C` prints, without the descriptions."""
        script = f"{self._set_up}; complete -C '{line}'"
        result = self._host.run("fish", "--no-config", "-c", script, env=self._environment)
        assert result.stderr == "", result.stderr
        return {each.partition("\t")[0] for each in result.stdout.splitlines()}

    def completed(self, line: str) -> str:
        """The line with its last word replaced by the only candidate."""
        [candidate] = self.candidates(line)
        return f"{line.rpartition(' ')[0]} {candidate}"

    def close(self) -> None:
        """Nothing stays."""
