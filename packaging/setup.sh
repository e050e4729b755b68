#!/usr/bin/env bash
# Makes .venv with rawechod, rawechoctl and the tools of the tests, after installing from Debian what that needs;
# `setup.sh tests` installs what only the tests need as well.
# A second run finds the stamp of the first and is done at once.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

find_python() { # Debian's own first: its headers are a package away
    local candidate
    for candidate in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
            command -v "$candidate" && return
    done
    die "no Python 3.11 or newer was found (Debian 12 and later have it: apt-get install python3)"
}

missing=() reasons=()
need() { # need PACKAGE REASON COMMAND...: the package is missing when the command fails
    local package=$1 reason=$2
    shift 2
    "$@" >/dev/null 2>&1 || { missing+=("$package"); reasons+=("$package ($reason)"); }
}

find_missing() {
    local header
    header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    need python3-venv "makes .venv" "$python" -c 'import ensurepip'
    need python3-dev "builds systemd-python" test -e "$header"
    need gcc "builds systemd-python and the C peers of the tests" command -v gcc
    need libc6-dev "the same" test -e /usr/include/stdio.h
    need clang "builds the kernel engine" command -v clang
    need libbpf-dev "the same, and loads it" test -e /usr/include/bpf/bpf_helpers.h
    need pkg-config "finds libsystemd" command -v pkg-config
    need libsystemd-dev "builds systemd-python" test -e /usr/include/systemd/sd-journal.h
    need iproute2 "makes the demo's and the tests' network namespaces" command -v ip
}

find_missing_for_tests() {
    need systemd "the tests boot one" test -x /lib/systemd/systemd
    need dbus "that systemd's bus" command -v dbus-daemon
    need netsniff-ng "a traffic generator that is not ours, for the tests" command -v trafgen
    need mmdebstrap "the tests build the package in new Debian systems, and install it there" command -v mmdebstrap
    [ "$(uname -m)" != x86_64 ] || need qemu-system-x86 "the tests run other kernels in it" command -v qemu-system-x86_64
    need e2fsprogs "makes their disks" test -x /sbin/mke2fs
    need chromium "the tests open a probe's HTML page in it" command -v chromium
    need man-db "the tests read the man pages with it" command -v man
    need zsh "the tests complete commands in it" command -v zsh
    need fish "the same" command -v fish
    need tshark "the tests dissect frames with it" command -v tshark
}

quietly() { # quietly SENTENCE COMMAND...: the command's output is shown, after the sentence, only when it fails
    local sentence=$1 log
    shift
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || { tail -n 25 "$log" >&2; rm -f "$log"; die "$sentence"; }
    rm -f "$log"
}

apt_install() {
    "${root[@]}" apt-get update || true # an unreachable third source need not matter
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

install_missing() {
    local root=() by_hand="as root: apt-get install ${missing[*]}"
    say "missing from this machine:" && printf '  %s\n' "${reasons[@]}"
    command -v apt-get >/dev/null || die "this is no Debian: install what corresponds to: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        root=(sudo)
        command -v sudo >/dev/null || die "neither root nor sudo; $by_hand"
        sudo -v || die "sudo was refused; $by_hand"
    fi
    say "installing them with apt-get"
    quietly "apt-get could not install them (see above; no network?); $by_hand" apt_install
}

make_venv() {
    local pip=(.venv/bin/python -m pip install --disable-pip-version-check --no-input -c packaging/constraints.txt)
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    quietly "could not make .venv (see above)" "$python" -m venv .venv
    quietly "pip could not install what builds the rest (see above; no network?)" "${pip[@]}" setuptools wheel
    # No isolation: the build tools are the pinned ones. compat: a plain path entry, which costs no time at start.
    quietly "pip could not install rawecho (see above; no network?)" \
        "${pip[@]}" --no-build-isolation --config-settings editable_mode=compat -e '.[test]'
}

exec 9<packaging/setup.sh
flock 9 # two at once would build one .venv together

python=$(find_python)
find_missing
[ "${1:-}" != tests ] || find_missing_for_tests
[ ${#missing[@]} -eq 0 ] || install_missing

build_native() { # the parts in C, anew when their sources changed
    local stamp
    stamp=$(cat setup.py rawechod/{echo,packet,probe}/*.[ch] rawechod/echo/{constants,counters,limiter}.py rawechod/wire/*.py | sha256sum)
    [ "$(cat .venv/native 2>/dev/null)" = "$stamp" ] && return
    quietly "could not build the parts in C (see above)" .venv/bin/python setup.py build_ext --inplace
    echo "$stamp" >.venv/native
}

stamp=$({
    printf '%s\n' "$PWD" "$python" "$("$python" --version)"
    sed '/^\[tool\.pytest/,$d' pyproject.toml # what follows there installs nothing
    cat packaging/constraints.txt packaging/setup.sh
    grep __version__ rawechod/__init__.py
} | sha256sum)
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
    make_venv
    build_native
    echo "$stamp" >.venv/stamp
    say "done: .venv/bin/rawechod and .venv/bin/rawechoctl"
fi
build_native
