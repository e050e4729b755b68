"""What `make install` puts where."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.lab import REPOSITORY


def test_the_tree_holds_what_a_package_needs(installed_tree: Path) -> None:
    """Programs, unit, catalog, user, configuration, man pages and completions are where they are looked for."""
    expected = (
        "usr/bin/rawechod",
        "usr/bin/rawechoctl",
        "usr/lib/systemd/system/rawechod.service",
        "usr/lib/systemd/catalog/rawecho.catalog",
        "usr/lib/sysusers.d/rawecho.conf",
        "usr/share/man/man8/rawechod.8",
        "usr/share/man/man1/rawechoctl.1",
        "usr/share/man/man5/rawecho.toml.5",
        "usr/share/bash-completion/completions/rawechoctl",
        "usr/share/zsh/vendor-completions/_rawechoctl",
        "usr/share/fish/vendor_completions.d/rawechoctl.fish",
        "usr/share/rawecho/ebpf.conf",
        "usr/share/rawecho/wireshark/rawecho.lua",
        "etc/rawecho/config.toml",
    )
    assert [name for name in expected if not (installed_tree / name).exists()] == []


def test_nothing_names_the_place_where_it_was_made(installed_tree: Path) -> None:
    """The tree works at its destination: tracebacks and first lines tell that path, and no other."""
    found = [path for path in installed_tree.rglob("*") if path.is_file() and not path.is_symlink()]
    places = (str(installed_tree).encode(), str(REPOSITORY).encode() + b"/")
    assert len(found) > 100
    assert [path for path in found if any(place in path.read_bytes() for place in places)] == []


def test_everybody_may_read_and_run_it(installed_tree: Path) -> None:
    """The daemon's user is no owner of the files."""
    closed = [path for path in installed_tree.rglob("*") if path.lstat().st_mode & 0o444 != 0o444]
    assert closed == []


def test_an_edited_configuration_survives(installed_tree: Path, tmp_path: Path) -> None:
    """A second installation replaces the programs, not what the administrator wrote."""
    config = tmp_path / "etc/rawecho/config.toml"
    shutil.copytree(installed_tree, tmp_path, symlinks=True, dirs_exist_ok=True)
    config.write_text("# mine\n")
    (tmp_path / "usr/bin/rawechod").unlink()
    subprocess.run([REPOSITORY / "packaging/install.sh", tmp_path, "/usr"], check=True)
    assert config.read_text() == "# mine\n"
    assert (tmp_path / "usr/bin/rawechod").exists()
