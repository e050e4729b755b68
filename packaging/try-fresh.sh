#!/usr/bin/env bash
# Tries a clone of the last commit in a new minimal Debian that has git, make and python3, and nothing else of ours.
#   packaging/try-fresh.sh [COMMAND]...    (SUITE=trixie chooses another release than bookworm)
# The new system borrows this one's kernel and its way to the network: apt's mirror and proxies, the name servers, and
# pip's PIP_* settings. It is gone at the end; what was installed was installed there.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${SUITE:-bookworm}
[ $# -gt 0 ] || set -- "make setup" "make setup" "make demo" "make test"

die() { printf 'fresh: %s\n' "$*" >&2; exit 1; }

make_root() {
    local mirror
    # shellcheck disable=SC2016 # apt expands it
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
    apt-config dump Acquire | grep -E '^Acquire::(https?|Retries|Check-)' >"$work/apt.conf" || true
    mmdebstrap --quiet --variant=minbase --include=git,make,python3 --aptopt="$work/apt.conf" \
        "$suite" "$root" ${mirror:+"$mirror"}
    cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
    git clone --quiet . "$root/root/rawecho"
}

network_settings() { # the PIP_* variables as arguments of env, with pip's certificates inside the new root
    local name
    for name in $(compgen -e PIP_); do
        [ "$name" = PIP_CERT ] || printf '%s=%s\0' "$name" "${!name}"
    done
    [ -z "${PIP_CERT:-}" ] || { cp "$PIP_CERT" "$root/etc/pip-cert.pem" && printf 'PIP_CERT=/etc/pip-cert.pem\0'; }
}

# runs inside new mount and process namespaces: $1 is the root, $2 the command, the rest the environment
# shellcheck disable=SC2016
enter='set -e
    mount --bind "$1" "$1"
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
    cd "$1" # a root of its own, not chroot: the demo enters mount namespaces, which would lead out of one
    mkdir -p .old
    pivot_root . .old
    umount --lazy .old
    rmdir .old
    exec env -i --chdir=/root/rawecho HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:3}" sh -c "$2"'

[ "$(id -u)" -eq 0 ] || die "making a root file system needs root"
command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
work=$(mktemp -d /var/tmp/rawecho-fresh-XXXXXX)
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
make_root
mapfile -d '' settings < <(network_settings)

for command; do
    printf '\nfresh# %s\n' "$command"
    start=$(date +%s%N)
    unshare --mount --pid --fork --kill-child bash -c "$enter" enter "$root" "$command" "${settings[@]}" </dev/null ||
        die "\"$command\" failed on a fresh $suite"
    printf 'fresh: %d ms\n' $((($(date +%s%N) - start) / 1000000))
done
