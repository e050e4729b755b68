#!/usr/bin/env bash
# Tries a clone of the last commit in a minimal Debian of root.sh's that has git, make and python3, and nothing of ours.
#   packaging/try-fresh.sh [COMMAND]...    (SUITE=trixie chooses another release than bookworm)
# The copy that is tried in is gone at the end; what was installed was installed there.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${SUITE:-bookworm}
[ $# -gt 0 ] || set -- "make setup" "make setup" "make demo" "make test"

die() { printf 'fresh: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || die "making a root file system needs root"
work=$(mktemp -d /var/tmp/rawecho-fresh-XXXXXX)
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
cp --archive "$(packaging/root.sh make "$suite" fresh)" "$root"
git clone --quiet . "$root/root/rawecho"

for command; do
    printf '\nfresh# %s\n' "$command"
    start=$(date +%s%N)
    # Without what root.sh sets for others: nobody else has it either.
    packaging/root.sh enter "$root" env --chdir=/root/rawecho -u LANG -u DEBIAN_FRONTEND sh -c "$command" </dev/null ||
        die "\"$command\" failed on a fresh $suite"
    printf 'fresh: %d ms\n' $((($(date +%s%N) - start) / 1000000))
done
