#!/usr/bin/env bash
# Two hosts on this machine, joined by a virtual cable, with a rawechod in each; then a probe from one to the other.
# Exits with the probe's status.
#
# It all happens in namespaces (processes, mounts, networks) that hang on one process and have no name outside:
# however the demo ends, kill -9 included, the kernel removes them and nothing is left to clean up.
set -euo pipefail

SELF=$(readlink -f "$0")
export PATH="${SELF%/packaging/*}/.venv/bin:$PATH:/usr/sbin:/sbin"
CONFIG=/run/rawecho/config.toml # on each host, whose /run is its own

die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

outside() {
    # each dies with its parent: unshare(1) alone would ignore SIGTERM and outlive us
    local world=(setpriv --pdeathsig KILL unshare --mount --pid --net --fork --kill-child --mount-proc)
    "${SELF%/*}/setup.sh"
    if [ "$(id -u)" -ne 0 ]; then
        if "${world[@]}" --map-root-user mount -t sysfs sysfs /sys 2>/dev/null; then
            world+=(--map-root-user) # root of a user namespace is enough
        else
            command -v sudo >/dev/null || die "needs root to make network namespaces, and there is no sudo: run it as root"
            world=(sudo "${world[@]}")
        fi
    fi
    "${world[@]}" true || die "root may not make namespaces here (a container without CAP_SYS_ADMIN?)"
    "${world[@]}" "$SELF" inside
}

declare -A first # the process that keeps the host's namespaces, by the host's name

host() { # host NAME: a network, a /sys that shows it, and a /run of its own
    exec 3< <(exec unshare --mount --net sh -c 'mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run &&
        mkdir /run/rawecho && echo made && exec sleep infinity')
    first[$1]=$!
    read -r <&3 || die "could not make the host $1"
}

on() { # on HOST COMMAND...
    nsenter --target "${first[$1]}" --mount --net "${@:2}"
}

show() { # show HOST COMMAND...: what would be typed on that host, and what it prints
    printf '\n%s%s# %s%s\n' "$bold" "$1" "${*:2}" "$plain"
    on "$@"
}

cable() {
    ip link add eth0 address 02:00:00:00:00:0a netns "${first[left]}" type veth \
        peer name eth0 address 02:00:00:00:00:0b netns "${first[right]}" ||
        die "the kernel has no veth devices (CONFIG_VETH; or: modprobe veth)"
    for host in left right; do
        # Ethernet is all there is: no IPv6 address, which the kernel would announce in frames of its own
        [ ! -e /proc/sys/net/ipv6 ] || on $host ip link set eth0 addrgenmode none
        on $host ip link set eth0 up
    done
}

start() { # start HOST: runs rawechod there, returns when its listener is up
    printf '\n%s%s# rawechod --config %s &%s\n' "$bold" "$1" $CONFIG "$plain"
    on "$1" rawechod --config $CONFIG >"/run/$1.log" 2>&1 &
    local daemon=$! deadline=$((SECONDS + 60))
    until on "$1" rawechoctl --json=short status 2>/dev/null | grep -Eq '"state": ?"up"'; do
        kill -0 $daemon 2>/dev/null || { cat "/run/$1.log" >&2; die "rawechod on $1 has ended"; }
        [ $SECONDS -lt $deadline ] || { cat "/run/$1.log" >&2; die "the listener on $1 does not come up"; }
        sleep 0.05
    done
}

inside() {
    local status=0 bold='' plain=''
    [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ] || bold=$'\e[1m' plain=$'\e[0m'
    mount -t tmpfs tmpfs /run # for the daemons' logs
    host left
    host right
    cable
    echo "Two hosts, left and right: network namespaces joined by a veth pair. Neither has an IP address."
    for host in left right; do
        on $host tee $CONFIG >/dev/null <<'EOF'
[[echo]]
interface = "eth0"
ethertype = "ETH_P_ALL"

[probe]
interval = "200ms"
EOF
    done
    show left cat $CONFIG
    start left
    start right
    show left rawechoctl status
    show left rawechoctl probe --count 10 || status=$?
    exit $status
}

"${1:-outside}"
