"""Who may do what: reading is for everybody, acting for operators, by the credentials of connect(2)."""

from __future__ import annotations

import grp
import os
import pwd
import re
import socket
from collections.abc import Sequence

import pytest

from rawechod.control import authorize
from rawechod.control.authorize import OVERFLOW_ID, Operators, Peer
from rawechod.control.descriptions import descriptions
from tests.control.talk import CONTROL, NOBODY, SERVICE, STRANGER, Talk, connect, connect_as
from tests.lab import Daemon, Host, StartDaemon, wait_for

GROUP = grp.getgrnam("daemon")
"""A group that every system has."""
USER = pwd.getpwnam("daemon")
READING = {"GetStatus", "GetCounters", "GetPeers", "GetConfig", "Watch"}
ACTING = {"Probe", "Arm", "Disarm", "Trace", "Judge", "Reload"}
METHODS = {name: about for about, name in re.findall(r"((?:#.*\n)*)method (\w+)", descriptions()[CONTROL])}
"""Those of the interface file, and what it says of them."""


@pytest.fixture
def ours(lone_host: Host, daemon: StartDaemon) -> Daemon:
    """A daemon whose operators are root and a group."""
    return _with_operators(lone_host, daemon, "root", f"@{GROUP.gr_name}")


def _with_operators(host: Host, daemon: StartDaemon, *names: str) -> Daemon:
    started: Daemon = daemon(host, f"[control]\noperators = {list(names)}\n")
    return started


def _as(ours: Daemon, uid: int, groups: Sequence[int] = ()) -> Talk:
    return connect_as(ours.control, uid, groups)[0]


def acts(talk: Talk) -> bool:
    """Whether the daemon lets this peer act."""
    with talk:
        reply = talk.call("Probe", count=1)
    if reply.get("error") == f"{CONTROL}.PermissionDenied":
        return False
    return int(reply["parameters"]["summary"]["received"]) == 1


def test_each_method_has_a_rule() -> None:
    """One that is new in the interface file needs one above; the file says who may call what acts."""
    assert set(METHODS) == READING | ACTING
    assert {name for name, comment in METHODS.items() if "(operators" in comment} == ACTING


@pytest.mark.parametrize("uid", [0, STRANGER, NOBODY])
@pytest.mark.parametrize("method", sorted(READING))
def test_everybody_reads(ours: Daemon, method: str, uid: int) -> None:
    """Whoever it is."""
    with _as(ours, uid) as talk:
        talk.more(method)
        assert "error" not in talk.receive()


@pytest.mark.parametrize("method", sorted(set(METHODS) - READING))
def test_nobody_else_acts(ours: Daemon, method: str) -> None:
    """A method of which nothing is said above is not for everybody."""
    with _as(ours, STRANGER) as talk:
        talk.more(method)
        assert talk.receive()["error"] == f"{CONTROL}.PermissionDenied"
        talk.send({"method": f"{CONTROL}.{method}", "oneway": True})
        assert "pid" in talk.call("GetStatus")["parameters"]
    wait_for(lambda: ours.stderr.count(f"{STRANGER} may not call {CONTROL}.{method}") == 2, "both refusals")


def test_everybody_asks_what_the_service_is(ours: Daemon) -> None:
    """And for the interfaces' descriptions."""
    with _as(ours, STRANGER) as talk:
        talk.send({"method": f"{SERVICE}.GetInfo"})
        for interface in talk.receive()["parameters"]["interfaces"]:
            talk.send({"method": f"{SERVICE}.GetInterfaceDescription", "parameters": {"interface": interface}})
            assert "description" in talk.receive()["parameters"]


@pytest.mark.parametrize("method", ["Probe", "Reload"])
def test_refusal_names_the_group(ours: Daemon, method: str) -> None:
    """A stranger is told which group to join, and to log in again; nothing was done; the journal has it."""
    with _as(ours, STRANGER) as talk:
        reply = talk.call(method)
        assert "pid" in talk.call("GetStatus")["parameters"]
    assert reply["error"] == f"{CONTROL}.PermissionDenied"
    reason = reply["parameters"]["reason"]
    assert (
        f"join the group {GROUP.gr_name} (as root: usermod -aG {GROUP.gr_name} USER), then log in again" in reason
    )
    wait_for(lambda: f"uid {STRANGER} may not call {CONTROL}.{method}" in ours.stderr, "the journal's word")
    assert ours.listener()["received"] == 0


def test_the_refusal_comes_before_the_parameters(ours: Daemon) -> None:
    """Who may not act does not learn which interfaces there are to probe from."""
    with _as(ours, STRANGER) as talk:
        assert talk.call("Probe", interface="eth7")["error"] == f"{CONTROL}.PermissionDenied"


def test_root_acts(ours: Daemon) -> None:
    """Whatever root's groups."""
    assert acts(connect(ours.control))


def test_members_of_the_group_act(ours: Daemon) -> None:
    """By a supplementary group, the last of many too."""
    assert acts(_as(ours, STRANGER, [GROUP.gr_gid]))
    many = [*range(30_000, 31_000), GROUP.gr_gid]
    assert acts(_as(ours, STRANGER, many))
    assert not acts(_as(ours, STRANGER, many[:-1]))


def test_the_main_group_counts(ours: Daemon) -> None:
    """SO_PEERGROUPS does not have it: it comes with the credentials."""
    assert acts(_as(ours, GROUP.gr_gid))


def test_overflow_id_never_acts(lone_host: Host, daemon: StartDaemon) -> None:
    """65534 is what anybody of another user namespace looks like, so naming it makes no operator."""
    nobody = pwd.getpwuid(NOBODY).pw_name
    ours = _with_operators(lone_host, daemon, "root", nobody, f"@{grp.getgrgid(NOBODY).gr_name}")
    assert not acts(_as(ours, NOBODY))
    assert not acts(_as(ours, STRANGER, [NOBODY]))


def test_users_by_name(lone_host: Host, daemon: StartDaemon) -> None:
    """Users without @; with no group at all the refusal names them."""
    ours = _with_operators(lone_host, daemon, USER.pw_name)
    assert acts(_as(ours, USER.pw_uid))
    with _as(ours, STRANGER) as talk:
        reason = talk.call("Probe")["parameters"]["reason"]
    assert reason == f"only operators may do this: {USER.pw_name} (control.operators)"


def test_nobody_at_all(lone_host: Host, daemon: StartDaemon) -> None:
    """An empty list says so; the daemon's own user acts all the same, for the unit's ExecReload= is that."""
    ours = _with_operators(lone_host, daemon)
    with _as(ours, STRANGER) as talk:
        assert "there are none" in talk.call("Reload")["parameters"]["reason"]
    assert acts(connect(ours.control))


def test_unknown_names_are_journalled(lone_host: Host, daemon: StartDaemon) -> None:
    """Neither a missing user nor a missing group is a reason not to start."""
    ours = _with_operators(lone_host, daemon, "root", "no-such-user", "@no-such-group")
    for name in ("no-such-user", "@no-such-group"):
        words = f"control.operators names {name}, which this system does not know"
        wait_for(lambda words=words: words in ours.stderr, "the journal's word")  # type: ignore[misc]
    assert acts(connect(ours.control))


def test_operators_follow_a_reload(ours: Daemon) -> None:
    """Also for connections that are open already."""
    with _as(ours, STRANGER, [GROUP.gr_gid]) as talk:
        assert "summary" in talk.call("Probe", count=1)["parameters"]
        assert ours.reload('[control]\noperators = ["root"]\n').returncode == 0
        assert talk.call("Probe", count=1)["error"] == f"{CONTROL}.PermissionDenied"


def test_peer_of_a_socket() -> None:
    """Our own credentials at the other end of a pair."""
    near, far = socket.socketpair()
    with near, far:
        peer = authorize.peer_of(near)
    assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
    assert peer.groups == {os.getegid(), *os.getgroups()}


PEERS = [
    (Peer(1, 5, frozenset()), True),
    (Peer(1, 6, frozenset({7})), True),
    (Peer(1, 6, frozenset({8})), False),
    (Peer(1, OVERFLOW_ID, frozenset({7})), False),
    (Peer(1, 6, frozenset({OVERFLOW_ID})), False),
]


@pytest.mark.parametrize(("peer", "permitted"), PEERS)
def test_permission(peer: Peer, permitted: bool) -> None:
    """A user's or a group's number, the overflow numbers never."""
    operators = Operators(("a", "@b"), frozenset({5, OVERFLOW_ID}), frozenset({7, OVERFLOW_ID}), ())
    assert operators.permits(peer) is permitted


def test_resolving_names() -> None:
    """What the system knows, and what it does not."""
    names = ["root", f"@{GROUP.gr_name}", "no-such-user", "@no-such-group", "", "@", "a\0b"]
    found = authorize.resolve(names)
    assert found.uids == {0, os.getuid()}
    assert found.gids == {GROUP.gr_gid}
    assert found.unknown == ("no-such-user", "@no-such-group", "", "@", "a\0b")
