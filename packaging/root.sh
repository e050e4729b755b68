#!/usr/bin/env bash
# Minimal Debian systems of another or the same release, to build and to try packages in.
#   root.sh make SUITE               a system with a service manager and nothing else; prints its directory
#   root.sh make SUITE build         the same, with what builds the Debian package
#   root.sh make SUITE fresh         one with git, make and python3 instead
#   root.sh make SUITE machine       what a virtual machine boots: disk.ext4, vmlinuz and initrd, with what rawecho depends on
#   root.sh run ROOT [-b SRC:DST]... COMMAND...   run COMMAND in it; what it changes is lost, but below DST
#   root.sh enter COPY COMMAND...    run COMMAND in a copy of it, which it changes
# A system is made once and kept in ~/.cache/rawecho. It borrows this machine's kernel and its way to the network: apt's
# mirror and proxies, the name servers, pip's PIP_* settings. Needs root and mmdebstrap.
set -euo pipefail

SELF=$(readlink -f "$0")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/rawecho/roots
CONTROL=${SELF%/*}/debian/control
AGENT=${SELF%/*}/../tests/machines/agent.py

die() { printf 'root.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '3,8s/^# *//p' "$SELF" >&2; exit 2; }

# --- make ---

make() { # SUITE [build]
    local suite=$1 kind=${2:-plain} key root
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
    key=$({
        sed '/^make() {/,/^# --- run/!d' "$SELF"
        case $kind in build | fresh) sed '/^$/q' "$CONTROL" ;; machine) cat "$AGENT" ;; esac
    } | sha256sum)
    root=$CACHE/$suite-$kind-${key:0:12}
    mkdir -p "$CACHE"
    exec 8>"$CACHE/$suite-$kind.lock"
    flock 8
    find "$CACHE" -mindepth 1 -maxdepth 1 -name "$suite-*" -mtime +7 -exec rm -rf {} + # others, unused for a week
    if [ -d "$root" ]; then
        touch "$root"
    else
        rm -rf "$root.new" # half made
        "make_$kind" "$suite" "$root.new" >&2
        mv "$root.new" "$root"
    fi
    echo "$root"
}

make_plain() { bootstrap systemd-sysv,dbus "$@"; } # SUITE DIRECTORY
make_fresh() { bootstrap git,make,python3 "$@"; } # SUITE DIRECTORY

bootstrap() { # PACKAGES SUITE DIRECTORY
    local mirror settings
    # shellcheck disable=SC2016 # apt expands it
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
    settings=$(mktemp)
    apt-config dump Acquire | grep -E '^Acquire::(https?|Retries|Check-)' >"$settings" || true
    mmdebstrap --quiet --variant=minbase --include="$1" --aptopt="$settings" \
        "$2" "$3" ${mirror:+"$mirror"}
    rm "$settings"
}

make_build() { # SUITE DIRECTORY
    cp --archive "$("$SELF" make "$1")" "$2"
    install -D -m 644 "$CONTROL" "$2/build/debian/control"
    # shellcheck disable=SC2016 # expanded inside
    enter "$2" sh -ec 'apt() { apt-get -y -o DPkg::Options::=--force-unsafe-io --no-install-recommends "$@"; }
        { apt update && apt install dpkg-dev lintian && apt build-dep /build && apt clean; } >/var/log/install 2>&1 ||
            { tail /var/log/install; exit 1; }' </dev/null
    rm -r "$2/build"
}

make_machine() { # SUITE DIRECTORY; any NIC's driver, but in the initrd only what reads the disk
    local tree=$2/tree
    mkdir "$2"
    cp --archive "$("$SELF" make "$1")" "$tree"
    install -m 755 "$AGENT" "$tree/usr/local/sbin/agent"
    printf '[Unit]\nDefaultDependencies=no\nAfter=local-fs.target dbus.socket\n[Service]\nExecStart=/usr/local/sbin/agent\nKillMode=process\n' \
        >"$tree/etc/systemd/system/agent.service"
    # shellcheck disable=SC2016 # expanded inside
    enter "$tree" sh -ec 'apt() { apt-get -y -o DPkg::Options::=--force-unsafe-io --no-install-recommends "$@"; }
        { apt update && apt install initramfs-tools udev kmod iproute2 ethtool procps python3 libbpf1 \
            python3-pydantic python3-rich python3-structlog python3-systemd
        echo MODULES=list >/etc/initramfs-tools/conf.d/machine
        printf "virtio_blk\nvirtio_pci\next4\n" >>/etc/initramfs-tools/modules
        apt install linux-image-amd64 && apt clean
        mkdir -p /etc/systemd/system/sysinit.target.wants
        ln -s ../agent.service /etc/systemd/system/sysinit.target.wants/
        systemctl mask getty@.service serial-getty@.service apt-daily.timer apt-daily-upgrade.timer \
            dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service; } >/var/log/install 2>&1 ||
            { tail /var/log/install; exit 1; }
        echo "/dev/vda / ext4 defaults 0 1" >/etc/fstab
        echo machine >/etc/hostname
        rm -rf /var/lib/apt/lists/*' </dev/null
    cp "$tree"/boot/vmlinuz-* "$2/vmlinuz"
    cp "$tree"/boot/initrd.img-* "$2/initrd"
    truncate -s 2G "$2/disk.ext4"
    mke2fs -q -t ext4 -d "$tree" "$2/disk.ext4"
    rm -rf "$tree"
}

# --- run ---

run() { # ROOT [-b SRC:DST]... COMMAND...
    local root=$1 stage status=0 OPTIND=2 option binds=()
    while getopts b: option; do
        [ "$option" = b ] || usage
        binds+=("$OPTARG")
    done
    shift $((OPTIND - 1))
    stage=$(mktemp -d)
    unshare --mount --pid --fork --kill-child bash "$SELF" __lay "$stage" "$root" "${#binds[@]}" \
        ${binds[@]+"${binds[@]}"} "$@" || status=$?
    rmdir "$stage"
    return $status
}

lay() { # STAGE ROOT COUNT SRC:DST... COMMAND...: an overlay that is gone with this mount namespace
    local stage=$1 lower=$2 count=$3 root=$1/root bind
    shift 3
    mount -t tmpfs -o mode=755 tmpfs "$stage"
    mkdir "$stage/upper" "$stage/work" "$root"
    mount -t overlay -o "lowerdir=$lower,upperdir=$stage/upper,workdir=$stage/work" overlay "$root"
    for bind in "${@:1:count}"; do
        mkdir -p "$root${bind#*:}"
        mount --bind "${bind%%:*}" "$root${bind#*:}"
    done
    shift "$count"
    pivot "$root" "$@"
}

enter() { unshare --mount --pid --fork --kill-child bash "$SELF" __pivot "$@"; } # ROOT COMMAND...

pivot() { # ROOT COMMAND...: a root of its own, not chroot, which would leave this machine's files within reach
    local root=$1 settings
    shift
    mount --rbind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
    mapfile -d '' settings < <(network_settings "$root")
    cd "$root"
    mkdir -p .old
    pivot_root . .old
    umount --lazy .old
    rmdir .old
    exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        "${settings[@]}" "$@"
}

network_settings() { # ROOT: pip's settings and the proxies, with pip's certificates inside ROOT
    local name
    for name in $(compgen -e PIP_) $(compgen -e | grep -iE '^(https?|no)_proxy$'); do
        [ "$name" = PIP_CERT ] || printf '%s=%s\0' "$name" "${!name}"
    done
    [ -z "${PIP_CERT:-}" ] || { cp "$PIP_CERT" "$1/etc/pip-cert.pem" && printf 'PIP_CERT=/etc/pip-cert.pem\0'; }
}

[ $# -ge 2 ] || usage
[ "$(id -u)" -eq 0 ] || die "needs root"
verb=$1
shift
case $verb in
    make | run | enter | __lay | __pivot) "${verb#__}" "$@" ;;
    *) usage ;;
esac
