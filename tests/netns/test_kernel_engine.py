"""The kernel engine's own conditions: other XDP programs, bridges, reloads, a second listener."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, wait_for
from tests.netns.conftest import Responder, table
from tests.netns.frames import BROADCAST, PAE, Pdu, Tag, answered, parse, request
from tests.netns.in_process import listening
from tests.netns.port import Port
from tests.netns.programs import attach_pass, programs

OTHER = "02:00:00:00:00:99"


@pytest.fixture
def engine() -> str:
    """What these tests are about."""
    return "ebpf"


def engines(ours: Daemon) -> list[str]:
    """What answers, listener by listener."""
    return [listener["engine"] for listener in ours.status()["listeners"]]


@pytest.fixture
def stranger(two_hosts: tuple[Host, Host], tmp_path: Path) -> str:
    """Another XDP program on host b's end of the cable; what removes it."""
    attach_pass(two_hosts[1], tmp_path, "xdpgeneric")
    return "xdpgeneric"


@pytest.mark.parametrize("wanted", ["ebpf", "auto"])
def test_another_program_is_there(
    two_hosts: tuple[Host, Host], stranger: str, responder: Responder, near: Port, wanted: str
) -> None:
    """It is left alone, the epoll engine answers, status and journal say why; a reload tries again."""
    (theirs,) = programs(two_hosts[1])
    ours = responder(engine=wanted)
    assert near.answers(request()) != []
    listener = ours.listener()
    assert (listener["engine"], listener["replied"]) == ("epoll", 2)
    assert "another XDP program is attached" in listener["notes"][0]
    wait_for(lambda: "the epoll engine answers, for ebpf can't" in ours.stderr, "the journal to tell")
    assert programs(two_hosts[1]) == [theirs]
    two_hosts[1].ip("link", "set", "eth1", stranger, "off")
    assert ours.ctl("reload").returncode == 0
    assert (engines(ours), ours.listener()["notes"], ours.listener()["replied"]) == (["ebpf"], [], 2)


def test_a_second_listener_on_the_interface(responder: Responder, near: Port) -> None:
    """It answers through a socket, beside the program of the first."""
    ours = responder(ethertype="ETH_P_802_EX1")
    both = [table(ethertype=name, engine="ebpf") for name in ("ETH_P_802_EX1", "ETH_P_PAE")]
    assert ours.reload("\n".join(both)).returncode == 0
    assert engines(ours) == ["ebpf", "epoll"]
    assert "another XDP program is attached" in ours.listener(1)["notes"][0]
    near.send(request(), request(ethertype=PAE), request(dst=BROADCAST, ethertype=PAE))
    assert len(near.settle() + near.settle(PAE)) == 3
    assert [ours.listener(index)["replied"] for index in (0, 1)] == [2, 3]


def test_reload_changes_the_engine(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """Program and socket give way to one another and go on with the session; each request is answered once."""
    ours = responder()
    assert len(near.answers(request(pdu=Pdu(seq=1)))) == 1
    for seq, wanted in ((2, "epoll"), (4, "ebpf"), (6, "epoll")):
        assert ours.reload(table(engine=wanted)).returncode == 0
        assert engines(ours) == [wanted]
        assert len(programs(two_hosts[1])) == (wanted == "ebpf")
        asked = [request(pdu=Pdu(seq=seq)), request(ethertype=PAE, pdu=Pdu(seq=seq + 1))]
        said = [parse(reply).pdu for reply in [*near.answers(asked[0]), *near.answers(asked[1])]]
        assert {(pdu.seq, pdu.responder_seq, pdu.window) for pdu in said} == {
            (each, each, (1 << each) - 1) for each in (seq, seq + 1)
        }
        assert ours.listener()["replied"] == 4


def test_reload_changes_who_is_allowed(responder: Responder, near: Port) -> None:
    """Those who were taken off the list are answered no more."""
    ours = responder(allow=[MAC_A, OTHER])
    assert len(near.answers(request(src=OTHER))) == 1
    assert ours.reload(table(engine="ebpf", allow=[MAC_A])).returncode == 0
    assert near.answers(request(src=OTHER)) == []
    assert ours.reload(table(engine="ebpf")).returncode == 0
    assert len(near.answers(request(src=OTHER))) == 1
    assert engines(ours) == ["ebpf"]


def test_no_program_survives_the_daemon(two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """Killed, stopped or told to leave the interface, it takes its program along."""
    ours = responder()
    for end in (ours.kill, ours.stop):
        assert len(programs(two_hosts[1])) == 1
        end()
        wait_for(lambda: programs(two_hosts[1]) == [], "the program's end")
        ours.restart()
    assert ours.reload(table(interface="lo")).returncode == 0
    assert programs(two_hosts[1]) == []


def test_into_a_bridge_and_out(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """The program answers before the bridge sees anything, groups too; the next one goes on with the session."""
    b = two_hosts[1]
    b.ip("link", "add", "br0", "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
    ours = responder(ethertype="ETH_P_802_EX1")
    for master in (["master", "br0"], ["nomaster"]):
        b.ip("link", "set", "eth1", *master)
        port = len(master) == 2
        wait_for(lambda port=port: (ours.listener()["tap"] == "all") == port, "the listener to follow")  # type: ignore[misc]
        assert engines(ours) == ["ebpf"]
        first = 1 if port else 3
        asked = [request(pdu=Pdu(seq=first)), request(dst=BROADCAST, pdu=Pdu(seq=first + 1))]
        said = [parse(reply).pdu for reply in near.answers(*asked)]
        assert [(pdu.seq, pdu.responder_seq) for pdu in said] == [(first, first), (first + 1, first + 1)]


def test_jumbo_frames(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """The generic mode takes frames of any size."""
    for host in two_hosts:
        host.ip("link", "set", "eth1", "mtu", "9000")
    ours = responder(rate_limit=0)
    asked = request(size=9014, tags=(Tag(9),))
    (reply,) = near.answers(asked)
    assert reply == answered(asked, by=MAC_B, pdu=parse(reply).pdu)
    assert engines(ours) == ["ebpf"]


def test_more_in_allow_than_the_program_takes(responder: Responder, near: Port) -> None:
    """The epoll engine does."""
    many = [MAC_A, *(f"02:00:00:01:{index >> 8:02x}:{index & 255:02x}" for index in range(1024))]
    ours = responder(allow=many)
    assert near.answers(request()) != []
    assert engines(ours) == ["epoll"]
    assert "1024 MACs" in ours.listener()["notes"][0]


def test_no_kernel_engine_on_lo(lone_host: Host, daemon: StartDaemon) -> None:
    """The socket answers there; who asked for the program by name is told."""
    ours = daemon(lone_host, table(interface="lo", engine="ebpf"))
    assert engines(ours) == ["epoll"]
    assert "lo takes no XDP program" in ours.listener()["notes"][0]
    assert programs(lone_host, "lo") == []


def test_replies_say_what_the_socket_dropped(two_hosts: tuple[Host, Host], near: Port) -> None:
    """The program has no buffer of its own; the figure outlives it."""
    with listening(two_hosts[1], engine="ebpf") as listener:
        listener._counters.kernel_drops = 65541
        listener.status()  # which looks
        (reply,) = near.answers(request())
        assert parse(reply).pdu.dropped == 5
