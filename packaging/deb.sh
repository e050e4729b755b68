#!/usr/bin/env bash
# Builds the Debian package: deb.sh [-r ROOT] [DIRECTORY]. `make deb` calls it; the package comes to DIRECTORY, dist/.
# For the running release, or for ROOT's, a system of root.sh. What the build needs and is missing is installed.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

say() { printf 'deb: %s\n' "$*"; }
die() { printf 'deb: %s\n' "$*" >&2; exit 1; }

export_source() { # DIRECTORY: what a release holds, and nothing that a build left behind
    local name
    mkdir "$1"
    if [ -e .git ]; then git ls-files -z --cached --others --exclude-standard; else find . -type f -print0; fi |
        while IFS= read -r -d '' name; do [ ! -e "$name" ] || printf '%s\0' "$name"; done |
        tar -c --null --files-from - | tar -x --no-same-owner --touch -C "$1"
    mv "$1/packaging/debian" "$1/debian"
}

# shellcheck disable=SC1090 # os-release(5)
set_version() { # SOURCE RELEASE-FILE: the changelog's version, for this release
    local version suite suffix
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$1/rawechod/__init__.py")
    grep -q "^rawecho ($version-" "$1/debian/changelog" || die "debian/changelog does not begin with version $version"
    suite=$(. "$2" && echo "${VERSION_CODENAME:-unstable}")
    suffix=$(. "$2" && echo "${VERSION_ID:+~deb${VERSION_ID}u1}")
    sed -i "1s/^\(rawecho (.*\)) [a-z]*;/\1$suffix) $suite;/" "$1/debian/changelog"
}

quietly() { # quietly SENTENCE COMMAND...: the command's output is shown, before the sentence, only when it fails
    local sentence=$1
    shift
    "$@" >"$work/log" 2>&1 </dev/null || { tail -n 40 "$work/log" >&2; die "$sentence"; }
}

install_missing() { # SOURCE
    local missing install=(apt-get -y --no-install-recommends)
    command -v dpkg-buildpackage >/dev/null && missing=$(cd "$1" && dpkg-checkbuilddeps 2>&1) && return
    say "missing from this machine: dpkg-dev${missing:+, and ${missing##*: }}; installing with apt-get"
    [ "$(id -u)" -eq 0 ] || { sudo -v && install=(sudo "${install[@]}"); }
    quietly "apt-get could not install dpkg-dev" "${install[@]}" install dpkg-dev
    quietly "apt-get could not install what the build needs" "${install[@]}" build-dep "$1"
}

[ "${1:-}" != -r ] || { root=$2; shift 2; }
output=${1:-dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
source=$work/rawecho
# shellcheck disable=SC2016 # the source, inside
build=(sh -ec 'cd "$0" && dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes')

export_source "$source"
set_version "$source" "${root:-}/etc/os-release"
[ -n "${root:-}" ] || install_missing "$source"
enter=()
[ -z "${root:-}" ] || enter=(packaging/root.sh run "$root" -b "$work:$work")
quietly "the build failed, see above" ${enter[@]+"${enter[@]}"} "${build[@]}" "$source"

mkdir -p "$output"
cp "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$output"
say "$output/$(cd "$work" && ls rawecho_*.deb)"
