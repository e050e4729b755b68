#!/bin/bash
# A box: a real systemd as PID 1 in namespaces of its own, over a throwaway overlay of this
# machine's root file system. It boots in half a second and leaves nothing behind.
#
#   box.sh run  [OPTIONS] -- COMMAND...   boot, run COMMAND inside, tear down; COMMAND's exit status
#   box.sh up   [OPTIONS]                 boot; prints the box's directory, BOX below
#   box.sh exec BOX COMMAND...            run COMMAND inside
#   box.sh hostnet BOX COMMAND...         the same, but with this machine's network (apt-get install)
#   box.sh peer BOX COMMAND...            run COMMAND outside, in the network at the cable's other end
#   box.sh reboot BOX | down BOX
#
#   -r ROOT     another root file system than this machine's
#   -c v1|v2    the cgroup version that the box sees
#   -b SRC:DST  bind SRC, of this machine, to DST inside; may be given several times
#
# The cable is a veth pair, eth1 at both ends: 02:00:00:00:00:0a inside, 02:00:00:00:00:0b at the peer.
# Whoever calls `up` owns the box: when that process ends, however it ends, so does the box.
# BOX/leader holds the pid of the box's systemd: /proc/PID/root/ is the file system inside.
#
# Needs root and the Debian packages systemd, dbus, util-linux, mount and iproute2.
set -eu

SELF=$(readlink -f "$0")
SYSTEM_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Units that wait for what a box hasn't got, or that would reach out of it.
MASKED="systemd-logind.service systemd-timesyncd.service systemd-networkd-wait-online.service
  systemd-modules-load.service dev-hugepages.mount getty-static.service console-getty.service
  getty@tty1.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer"

die() { echo "box.sh: $*" >&2; exit 1; }
usage() { sed -n '2,21s/^# \{0,1\}//p' "$SELF"; exit 2; }

# --- processes ---

# A pid alone may be another process by now; with its start time it can't.
start_time() { cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null; }
alive() { [ "$(start_time "$1")" = "$2" ]; }
leader() { cat "$BOX/leader" 2>/dev/null; }
# Poll a condition: tries (20 a second), then the command.
poll() { local tries=$1 i; shift; for ((i = 0; i < tries; i++)); do "$@" && return; sleep .05; done; return 1; }
gone() { [ ! -d "/proc/$1" ]; }

# --- up: prepare on this machine, then leave the rest to a keeper ---

up() { # OWNER OPTIONS...
  local owner=$1 root=/ cgroups='' option OPTIND=1; shift
  BOX=$(mktemp -d /tmp/rawecho-box-XXXXXX)
  : >"$BOX/binds"
  while getopts r:c:b: option; do
    case $option in
      r) root=$OPTARG ;;
      c) cgroups=$OPTARG ;;
      b) echo "$OPTARG" >>"$BOX/binds" ;;
      *) rm -r "$BOX"; usage ;;
    esac
  done
  echo "$root" >"$BOX/root"
  echo "${cgroups:-$(cgroup_version "$root")}" >"$BOX/cgroup-version"
  echo "$owner $(start_time "$owner")" >"$BOX/owner"
  make_cgroups
  make_network
  setsid bash "$SELF" __keeper "$BOX" </dev/null >"$BOX/log" 2>&1 &
  poll 600 booted && return
  cat -v "$BOX/log" >&2
  down
  die "the box did not come up"
}

booted() { # is-system-running answers only when the boot is over; "degraded" is for the tests to judge
  [ ! -e "$BOX/failed" ] || { cat -v "$BOX/log" >&2; down; die "the box did not boot"; }
  [ -e "$BOX/leader" ] || return 1
  case $(inside systemctl is-system-running 2>/dev/null) in running | degraded) ;; *) return 1 ;; esac
}

# v1 gives the units inside a memory controller where this machine mounts it so, and v2 elsewhere;
# systemd 258 has given v1 up.
cgroup_version() { # ROOT
  local version
  version=$(find "$1/usr/lib/systemd" "$1"/usr/lib/*-linux-gnu/systemd -name 'libsystemd-shared-*.so' -printf '%f\n' \
    2>/dev/null | grep -oE '[0-9]{3}' | head -n 1) || true
  if [ -e /sys/fs/cgroup/memory/cgroup.procs ] && [ "${version:-999}" -lt 258 ]; then echo v1; else echo v2; fi
}

# A cgroup for the box below ours, in each hierarchy: it becomes the root of what the box sees.
make_cgroups() {
  local directory knob
  : >"$BOX/cgroups"
  our_cgroups | while read -r directory; do
    mkdir "$directory/${BOX##*/}"
    echo "$directory/${BOX##*/}" >>"$BOX/cgroups"
    for knob in cpuset.cpus cpuset.mems; do # v1: empty in a new cgroup, which then takes no process
      [ ! -e "$directory/cpuset.cpu_exclusive" ] || cat "$directory/$knob" >"$directory/${BOX##*/}/$knob"
    done
  done
}

our_cgroups() { # the directory of this process in every mounted hierarchy
  local controllers path mount
  while IFS=: read -r _ controllers path; do
    case $controllers in
      '') mount=/sys/fs/cgroup; [ -e $mount/cgroup.controllers ] || mount=$mount/unified ;;
      name=*) mount=/sys/fs/cgroup/${controllers#name=} ;;
      *) mount=/sys/fs/cgroup/$controllers ;;
    esac
    [ ! -e "$mount${path%/}/cgroup.procs" ] || echo "$mount${path%/}"
  done </proc/self/cgroup
}

make_network() {
  local box=${BOX##*/} namespace
  for namespace in "$box" "$box-peer"; do
    ip netns add "$namespace"
    # shellcheck disable=SC2016
    ip netns exec "$namespace" bash -c \
      'for i in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e "$i" ] || echo 1 >"$i"; done'
    ip -netns "$namespace" link set lo up
  done
  ip link add name eth1 address 02:00:00:00:00:0a netns "$box" type veth \
    peer name eth1 address 02:00:00:00:00:0b netns "$box-peer"
  for namespace in "$box" "$box-peer"; do ip -netns "$namespace" link set eth1 up; done
}

# --- the other verbs ---

environment() { env -i PATH=$SYSTEM_PATH HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
inside() { environment nsenter --target "$(leader)" --all "$@"; }
hostnet() { environment nsenter --target "$(leader)" --mount --pid --uts --ipc --cgroup "$@"; }
peer() { exec ip netns exec "${BOX##*/}-peer" "$@"; }

run() {
  local options=() status=0
  while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
  [ $# -gt 1 ] || usage
  shift
  up $$ ${options[@]+"${options[@]}"}
  inside "$@" || status=$?
  down
  exit $status
}

reboot() {
  local old; old=$(leader)
  kill -s RTMIN+5 "$old"
  poll 600 gone "$old" || die "the box did not go down"
  poll 600 booted || die "the box did not come up again"
}

down() {
  touch "$BOX/stop"
  poll 300 ended || true
  [ ! -d "$BOX" ] || clean_up
}
ended() { [ ! -d "$BOX" ] || { [ -s "$BOX/keeper" ] && gone "$(cat "$BOX/keeper")"; }; }

clean_up() {
  local box=${BOX##*/} cgroup
  ip netns del "$box" 2>/dev/null || true
  ip netns del "$box-peer" 2>/dev/null || true
  while read -r cgroup; do poll 20 remove_cgroup "$cgroup" || true; done <"$BOX/cgroups"
  rm -rf "$BOX"
}
remove_cgroup() { find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true; [ ! -d "$1" ]; }

# --- the keeper: in this machine's namespaces, ends the box when its owner ends ---

keeper() {
  local owner owner_start stage cgroup
  echo $$ >"$BOX/keeper"
  read -r owner owner_start <"$BOX/owner"
  (
    while read -r cgroup; do echo $BASHPID >"$cgroup/cgroup.procs"; done <"$BOX/cgroups"
    exec setpriv --pdeathsig KILL unshare --mount --propagation private bash "$SELF" __stage "$BOX"
  ) &
  stage=$!
  while [ ! -e "$BOX/stop" ] && alive "$owner" "$owner_start"; do
    [ -d /proc/$stage ] || touch "$BOX/failed"
    sleep .1
  done
  [ ! -d /proc/$stage ] || power_off $stage
  wait $stage || true
  clean_up
}

power_off() { # STAGE
  local systemd; systemd=$(leader) || true
  touch "$BOX/stop"
  if [ -n "$systemd" ]; then
    kill -s RTMIN+4 "$systemd" 2>/dev/null || true
    poll 100 gone "$systemd" || kill -s KILL "$systemd"
  fi
  poll 20 gone "$1" || kill -s KILL "$1" || true
}

# --- the stage: in a mount namespace of its own, holds the overlay; starts PID 1, again after a reboot ---

stage() {
  local status
  lay_overlay
  while :; do
    status=0
    setpriv --pdeathsig KILL nsenter --net="/run/netns/${BOX##*/}" \
      unshare --mount --propagation private --pid --uts --ipc --cgroup --fork --kill-child \
      bash "$SELF" __boot "$BOX" &
    poll 200 find_leader $! || true
    wait $! || status=$?
    rm -f "$BOX/leader"
    # reboot(2) ends PID 1 of a namespace with SIGHUP
    if [ $status != 129 ] || [ -e "$BOX/stop" ]; then break; fi
  done
}

find_leader() { # UNSHARE: its child is PID 1 as soon as it is no longer this script
  local child
  gone "$1" && return
  child=$(tr -d ' ' <"/proc/$1/task/$1/children") && [ -n "$child" ] || return 1
  [ "$(cat "/proc/$child/comm" 2>/dev/null)" = systemd ] || return 1
  echo "$child" >"$BOX/leader.new"
  mv "$BOX/leader.new" "$BOX/leader"
}

lay_overlay() {
  local unit root=$BOX/stage/root
  mkdir "$BOX/stage"
  mount -t tmpfs -o mode=755,size=50% box "$BOX/stage"
  mkdir "$BOX/stage/upper" "$BOX/stage/work" "$root"
  mount -t overlay -o "lowerdir=$(cat "$BOX/root"),upperdir=$BOX/stage/upper,workdir=$BOX/stage/work" box "$root"
  # another machine, with a journal of its own, that does not start this machine's services
  rm -f "$root/usr/sbin/policy-rc.d" "$root/var/lib/dbus/machine-id"
  : >"$root/etc/machine-id"
  echo "${BOX##*/}" >"$root/etc/hostname"
  rm -rf "$root/var/log/journal"
  mkdir -p "$root/var/log/journal"
  rm -f "$root"/etc/systemd/system/{multi-user,timers,sysinit,getty}.target.wants/*
  for unit in $MASKED; do ln -sfn /dev/null "$root/etc/systemd/system/$unit"; done
}

# --- boot: in all the box's namespaces, becomes its PID 1 ---

boot() {
  local root=$BOX/stage/root source target
  cd "$BOX/stage"
  mount_proc "$root"
  mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$root/sys" # shows the network namespace it is mounted in
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/tmp"
  mount_dev "$root/dev"
  mount_cgroups "$root/sys/fs/cgroup"
  mount -t bpf bpf "$root/sys/fs/bpf" 2>/dev/null || true
  while IFS=: read -r source target; do
    if [ -d "$source" ]; then mkdir -p "$root$target"; else mkdir -p "$root${target%/*}"; touch "$root$target"; fi
    mount --bind "$source" "$root$target"
  done <"$BOX/binds"
  hostname "${BOX##*/}"
  cd "$root"
  mkdir .old
  pivot_root . .old
  umount -l /.old
  rmdir /.old
  exec env -i container=rawecho-box PATH=$SYSTEM_PATH \
    /lib/systemd/systemd --log-target=journal --show-status=no </dev/null
}

mount_proc() { # ROOT: what is the whole machine's is read-only or empty, what is the network's is not
  local proc=$1/proc
  mount -t proc -o nosuid,nodev,noexec proc "$proc"
  mount --bind "$proc/sys" "$proc/sys"
  mount --bind "$proc/sys/net" "$proc/sys/net"
  mount -o remount,bind,ro "$proc/sys"
  mount -o remount,bind,rw "$proc/sys/net"
  mount --bind /dev/null "$proc/sysrq-trigger" 2>/dev/null || true
  mount --bind /dev/null "$proc/kmsg"
  # every boot has an id of its own, so that `journalctl -b` works after a reboot
  cat /proc/sys/kernel/random/uuid >"$BOX/stage/boot_id"
  mount --bind "$BOX/stage/boot_id" "$proc/sys/kernel/random/boot_id"
  mount -o remount,bind,ro "$proc/sys/kernel/random/boot_id"
}

mount_dev() { # DEV
  local name major minor
  mount -t tmpfs -o mode=755,nosuid tmpfs "$1"
  mkdir "$1/pts" "$1/shm" "$1/net"
  mount -t tmpfs tmpfs "$1/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/pts"
  while read -r name major minor; do
    mknod -m 666 "$1/$name" c "$major" "$minor"
  done <<<$'null 1 3\nzero 1 5\nfull 1 7\nrandom 1 8\nurandom 1 9\ntty 5 0\nnet/tun 10 200'
  ln -s pts/ptmx "$1/ptmx"
  ln -s /proc/self/fd "$1/fd"
  ln -s fd/0 "$1/stdin"
  ln -s fd/1 "$1/stdout"
  ln -s fd/2 "$1/stderr"
}

mount_cgroups() { # DIRECTORY
  local controller
  if [ "$(cat "$BOX/cgroup-version")" = v2 ]; then
    mount -t cgroup2 cgroup2 "$1"
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs "$1"
  mkdir "$1/systemd" "$1/unified"
  mount -t cgroup -o none,name=systemd cgroup "$1/systemd"
  mount -t cgroup2 cgroup2 "$1/unified"
  for controller in memory pids cpu cpuacct cpuset devices freezer blkio; do
    [ -e "/sys/fs/cgroup/$controller/cgroup.procs" ] || continue
    mkdir "$1/$controller"
    mount -t cgroup -o "$controller" cgroup "$1/$controller"
  done
}

# --- what to do ---

[ $# -gt 0 ] || usage
verb=$1
shift
case $verb in
  up) up "$PPID" "$@"; echo "$BOX" ;;
  run) run "$@" ;;
  exec | hostnet | peer | reboot | down | __keeper | __stage | __boot)
    BOX=${1:?the directory that \`up\` printed}
    shift
    [ "$verb" != exec ] || verb=inside
    "${verb#__}" "$@"
    ;;
  *) usage ;;
esac
