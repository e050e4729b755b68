#!/usr/bin/env bash
# Installs rawecho for the system: install.sh [DESTDIR [PREFIX [PART...]]], which `make install` and the package call.
# Part `programs`:
#   PREFIX/lib/rawecho                 the programs with their libraries: a virtual environment
#   PREFIX/bin                         links to rawechod and rawechoctl
# Part `files`:
#   PREFIX/lib/systemd, lib/sysusers.d the unit, the message catalog, the user and the group
#   PREFIX/share                       what generate.py --share writes: manual pages, completions, the dissector
#   PREFIX/share/rawecho               the unit's drop-in for the kernel engine
#   PREFIX/share/rawecho/ebpf.conf     the unit's drop-in for engine = "ebpf", which is the administrator's to put in place
#   /etc/rawecho/config.toml           unless there is one
# What is below DESTDIR is a tree for a package, or for another machine with the same Debian. Needs `make setup`, or in
# BUILD_PYTHON a virtual environment's Python with pip and what pyproject.toml builds with.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
destdir=${1:-} prefix=${2:-/usr}
home=$prefix/lib/rawecho
build_python=${BUILD_PYTHON:-.venv/bin/python}
pip=("$build_python" -m pip --disable-pip-version-check --no-input -qq)

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

find_python() { # the one that .venv was made with, which the service must be able to run
    [ -x "$build_python" ] || die "no $build_python here: run make setup first"
    python=$("$build_python" -c 'import sys; print(sys._base_executable)')
    case $(readlink -f "$python") in
        /home/* | /root/*) die "$python is out of the service's sight (ProtectHome=); make .venv with another Python" ;;
    esac
}

install_programs() {
    find_python
    rm -rf "$destdir$home"
    "$python" -m venv --without-pip "$destdir$home"
    rm -f "$destdir$home"/bin/[Aa]ctivate*
    mkdir "$work/source" # a copy: setuptools leaves files where it builds, and takes up again what it finds there
    cp -r rawechod rawechoctl setup.py pyproject.toml README.md LICENSE "$work/source"
    "${pip[@]}" wheel --no-build-isolation --no-deps --wheel-dir "$work/wheels" "$work/source"
    "${pip[@]}" wheel --no-build-isolation --no-deps --wheel-dir "$work/wheels" --require-hashes \
        -r packaging/requirements.txt
    "${pip[@]}" --python "$destdir$home/bin/python" install --no-index --no-deps --no-compile "$work"/wheels/*.whl
    # What is below DESTDIR now will be without it: in the programs' first lines, in tracebacks, in the journal.
    sed -i "1s|.*|#!$home/bin/python -I|" "$destdir$home"/bin/rawecho*
    sed -i '/^command = /d' "$destdir$home/pyvenv.cfg"
    rm -rf "$destdir$home"/include "$destdir$home"/lib/python3*/site-packages/{*/test,*/{RECORD,direct_url.json}}
    find "$destdir$home/bin" -type f ! -name 'rawecho*' -delete # the libraries' own programs
    "$python" -m compileall -q -s "$destdir" -p / "$destdir$home/lib"
    install -d "$destdir$prefix/bin"
    ln -sfn ../lib/rawecho/bin/rawechod ../lib/rawecho/bin/rawechoctl "$destdir$prefix/bin"
}

install_files() {
    local lib=$destdir$prefix/lib
    install -d "$lib/systemd/system" "$lib/systemd/catalog" "$lib/sysusers.d"
    sed "s|/usr/bin/|$prefix/bin/|" systemd/rawechod.service >"$work/rawechod.service"
    install -m 644 "$work/rawechod.service" "$lib/systemd/system/rawechod.service"
    install -m 644 systemd/rawecho.catalog "$lib/systemd/catalog/rawecho.catalog"
    install -m 644 systemd/rawecho.sysusers "$lib/sysusers.d/rawecho.conf"
    sed "s|/usr/share/|$prefix/share/|" systemd/ebpf.conf >"$work/ebpf.conf"
    install -D -m 644 "$work/ebpf.conf" "$destdir$prefix/share/rawecho/ebpf.conf"
    local interpreter=$destdir$home/bin/python # which has the libraries, or else Debian has
    [ -x "$interpreter" ] || interpreter=python3
    "$interpreter" -B packaging/generate.py --share "$destdir$prefix/share"
    if [ -e "$destdir/etc/rawecho/config.toml" ]; then
        say "$destdir/etc/rawecho/config.toml is left as it is"
    else
        install -D -m 644 etc/rawecho/config.toml "$destdir/etc/rawecho/config.toml"
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- programs files
for part; do
    case $part in
        programs) install_programs ;;
        files) install_files ;;
        *) die "there is no part $part, only programs and files" ;;
    esac
done
[ -n "$destdir" ] || cat <<'EOF_NEXT'
install: done. To start the daemon, now and at each boot:
  systemd-sysusers && journalctl --update-catalog && systemctl daemon-reload
  systemctl enable --now rawechod
EOF_NEXT
