"""Native XDP: kept where the answers leave, given up where they don't, and never at the price of a VLAN tag."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawechod.driver import SIOCETHTOOL
from rawechod.echo import attachment, kernel_engine, native
from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, join, wait_for
from tests.netns.conftest import Responder, table
from tests.netns.frames import Pdu, Tag, answered, parse, request
from tests.netns.in_process import listening
from tests.netns.port import Port
from tests.netns.programs import VID, attach_pass, programs, require_native, tag_beside
from tests.netns.test_kernel_engine import engines
from tests.netns.test_link import wait_state

ETHTOOL_SGRO = 0x2C
IFF_TAP, IFF_NO_PI, TUNSETIFF = 0x0002, 0x1000, 0x400454CA
NATIVE, ON_TRIAL, GENERIC = "native", "native (on trial)", "generic"


@pytest.fixture(autouse=True)
def kernel() -> None:
    """Skip where the kernel does not tell a program the tag."""
    require_native()


@pytest.fixture
def engine() -> str:
    """What these tests are about."""
    return "ebpf"


@pytest.fixture
def native_peer(two_hosts: tuple[Host, Host], tmp_path: Path) -> Host:
    """Host a, whose end of the cable has a native program: so what host b's transmits does arrive."""
    attach_pass(two_hosts[0], tmp_path)
    return two_hosts[0]


def xdp(ours: Daemon) -> str | None:
    """The mode in force."""
    mode: str | None = ours.listener()["xdp"]
    return mode


def wait_xdp(ours: Daemon, mode: str) -> None:
    """Wait for a mode; a sweep takes up to five seconds to find out."""
    wait_for(lambda: xdp(ours) == mode, f"XDP to be {mode}", timeout=30)


def assert_lost(ours: Daemon, lost: int) -> None:
    """The answers that never left are counted as that, not as replies."""
    listener = ours.listener()
    assert listener["transmit_errors"] == {"XDP_TX": lost}
    assert listener["dropped"] == {"transmit_error": lost}
    assert listener["received"] == listener["replied"] + lost
    assert "its answers never left" in listener["notes"][0]


def test_answers_that_never_leave(responder: Responder, near: Port) -> None:
    """The peer has no program: the first answer is lost, then generic mode answers, in the same session."""
    ours = responder(xdp="native")
    assert xdp(ours) == ON_TRIAL
    near.send(request())
    wait_xdp(ours, GENERIC)
    assert_lost(ours, 1)
    replies = near.answers(request(pdu=Pdu(seq=2)), request(pdu=Pdu(seq=3)))
    assert [parse(reply).pdu.responder_seq for reply in replies] == [2, 3]
    assert engines(ours) == ["ebpf"]
    wait_for(lambda: "XDP in generic mode, for native is no use" in ours.stderr, "the journal to tell")


def test_a_probe_loses_the_first_answers_only(
    two_hosts: tuple[Host, Host], daemon: StartDaemon, responder: Responder
) -> None:
    """So it says at which end they were lost."""
    far, ours = responder(xdp="native"), daemon(two_hosts[0], table())
    first = ours.probe("--count", "1", "--timeout", "100ms", MAC_B)
    assert (first["received"], first["lost"]) == (0, 1)
    wait_xdp(far, GENERIC)
    assert ours.probe("--count", "5", "--interval", "10ms", MAC_B)["received"] == 5


def test_answers_that_nobody_counts(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """With GRO at the peer they wait there for ever, and veth says that they were sent."""
    value = array.array("B", struct.pack("=II", ETHTOOL_SGRO, 1))
    with two_hosts[0].entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        fcntl.ioctl(door, SIOCETHTOOL, struct.pack("=16sQ16x", b"eth1", value.buffer_info()[0]))
    ours = responder(xdp="native")
    near.send(request())
    wait_xdp(ours, GENERIC)
    assert_lost(ours, 1)
    assert len(near.answers(request())) == 1


def test_answers_that_leave(native_peer: Host, responder: Responder, near: Port) -> None:
    """Native mode stays until the peer's program is gone; no program of ours stays after us."""
    ours = responder(xdp="native")
    assert len(near.answers(request())) == 1
    wait_xdp(ours, NATIVE)
    assert (ours.listener()["replied"], ours.listener()["dropped"], ours.listener()["notes"]) == (2, {}, [])
    assert "engine ebpf, XDP native\n" in ours.ctl("status").stdout
    wait_for(lambda: "native XDP stays" in ours.stderr, "the journal to tell")
    native_peer.ip("link", "set", "eth1", "xdp", "off")
    near.send(request(), request())
    wait_xdp(ours, GENERIC)
    assert_lost(ours, 2)
    assert len(near.answers(request())) == 1


def test_a_killed_daemon_leaves_no_program_behind(
    native_peer: Host, two_hosts: tuple[Host, Host], responder: Responder, near: Port
) -> None:
    """Neither on trial nor proved."""
    ours = responder(xdp="native")
    for proved in (False, True):
        if proved:
            assert len(near.answers(request())) == 1
            wait_xdp(ours, NATIVE)
        assert len(programs(two_hosts[1])) == 1
        ours.kill()
        wait_for(lambda: programs(two_hosts[1]) == [], "the program's end")
        ours.restart()


def test_a_reload_tries_again(
    two_hosts: tuple[Host, Host], responder: Responder, near: Port, tmp_path: Path
) -> None:
    """Once the reason is gone."""
    ours = responder(xdp="native")
    near.send(request())
    wait_xdp(ours, GENERIC)
    attach_pass(two_hosts[0], tmp_path)
    assert ours.ctl("reload").returncode == 0
    assert (xdp(ours), ours.listener()["notes"]) == (ON_TRIAL, [])
    assert len(near.answers(request())) == 1
    wait_xdp(ours, NATIVE)


@pytest.mark.parametrize("wanted", ["auto", "generic"])
def test_not_tried(two_hosts: tuple[Host, Host], responder: Responder, near: Port, wanted: str) -> None:
    """Generic mode where that is wanted, and where nobody asked for native on such a driver by name."""
    ours = responder(xdp=wanted)
    assert len(near.answers(request())) == 1
    assert (xdp(ours), ours.listener()["notes"]) == (GENERIC, [])
    assert "xdpgeneric" in two_hosts[1].ip("link", "show", "eth1")
    assert "native" not in ours.stderr


def test_jumbo_frames(two_hosts: tuple[Host, Host], responder: Responder, near: Port) -> None:
    """What the driver refuses is told, and generic mode answers."""
    for host in two_hosts:
        host.ip("link", "set", "eth1", "mtu", "9000")
    ours = responder(xdp="native")
    assert len(near.answers(request(size=9014))) == 1
    assert xdp(ours) == GENERIC
    assert ours.listener()["notes"] == ["XDP in generic mode: veth takes no program at MTU 9000"]


@pytest.mark.parametrize("mode", ["xdpgeneric", "xdpdrv"])
def test_another_program_is_there(
    two_hosts: tuple[Host, Host], responder: Responder, near: Port, tmp_path: Path, mode: str
) -> None:
    """It stays, whichever its mode, and the epoll engine answers."""
    attach_pass(two_hosts[1], tmp_path, mode)
    theirs = programs(two_hosts[1])
    ours = responder(xdp="native")
    assert len(near.answers(request())) == 1
    assert (xdp(ours), engines(ours), programs(two_hosts[1])) == (None, ["epoll"], theirs)
    assert "another XDP program is attached" in ours.listener()["notes"][0]


def test_another_program_comes_in_between(
    two_hosts: tuple[Host, Host], near: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Native mode was given up and generic mode is refused: the socket answers, and goes on with the session."""
    detach = attachment.Attachment.detach

    def robbed(ours: attachment.Attachment) -> None:
        detach(ours)
        attach_pass(two_hosts[1], tmp_path)

    with listening(two_hosts[1], engine="ebpf", xdp="native", allow=[MAC_A]) as listener:
        monkeypatch.setattr(attachment.Attachment, "detach", robbed)
        near.send(request())
        wait_for(lambda: "another XDP program" in "".join(listener.status().notes), "the refusal")
        monkeypatch.setattr(attachment.Attachment, "detach", detach)
        (reply,) = near.answers(request(pdu=Pdu(seq=2)))
        assert (parse(reply).pdu.responder_seq, parse(reply).pdu.window) == (2, 3)
        assert listener.status().engine == "epoll"
        assert "the epoll engine answers: the driver's counters" in listener.status().notes[0]


@pytest.mark.parametrize("mode", [NATIVE, GENERIC])
def test_tags_are_kept(native_peer: Host, responder: Responder, near: Port, tmp_path: Path, mode: str) -> None:
    """In the frame or, as a VLAN device sends them, beside it, where native mode leaves them to the socket."""
    ours = responder(xdp=mode, tap="all")
    for tags in ((), (Tag(VID),), (Tag(300), Tag(30))):
        asked = request(tags=tags)
        (reply,) = near.answers(asked)
        assert reply == answered(asked, MAC_B, parse(reply).pdu)
    wait_xdp(ours, mode)
    link = tag_beside(native_peer, tmp_path)
    near.send(request())
    assert parse(near.receive()).tags == (Tag(VID),)
    os.close(link)
    assert xdp(ours) == mode


def test_a_tag_beside_is_never_lost(native_peer: Host, responder: Responder, near: Port, tmp_path: Path) -> None:
    """A socket that is bound to the protocol can't tell it either: the frame is dropped, not answered untagged."""
    ours = responder(xdp="native", ethertype="ETH_P_802_EX1")
    link = tag_beside(native_peer, tmp_path)
    near.send(request())
    wait_for(lambda: ours.listener()["dropped"] == {"tag_lost": 1}, "the frame to be dropped")
    os.close(link)
    assert near.answers() == []


def test_the_driver_begins_to_take_tags_out(
    native_peer: Host, near: Port, two_hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody switches rx-vlan-offload on: generic mode from the next sweep on."""
    with listening(two_hosts[1], engine="ebpf", xdp="native") as listener:
        assert len(near.answers(request())) == 1
        wait_for(lambda: listener.status().xdp == NATIVE, "native mode")
        monkeypatch.setattr(attachment, "refusal", lambda *_: "tags are lost")
        wait_for(lambda: listener.status().xdp == GENERIC, "generic mode", timeout=30)
        assert listener.status().notes == ["XDP in generic mode: tags are lost"]
        assert listener.status().transmit_errors == {}


def test_the_interface_is_made_anew(native_peer: Host, two_hosts: tuple[Host, Host], responder: Responder) -> None:
    """The program was bound to the old one's driver; the new one gets its own, on trial."""
    ours = responder(xdp="native")
    two_hosts[1].ip("link", "del", "eth1")
    wait_state(ours, "absent")
    join(*two_hosts)
    wait_state(ours, "up")
    assert (xdp(ours), len(programs(two_hosts[1]))) == (ON_TRIAL, 1)


@pytest.fixture
def tap(lone_host: Host) -> Iterator[int]:
    """The far end of a TAP device, the host's eth1: a driver that `auto` tries native mode with."""
    with lone_host.entered():
        far = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(far, TUNSETIFF, struct.pack("=16sH22x", b"eth1", IFF_TAP | IFF_NO_PI))
    lone_host.ip("link", "set", "eth1", "address", MAC_B, "up")
    yield far
    os.close(far)


def test_auto_on_a_driver_that_goes_on_undisturbed(lone_host: Host, daemon: StartDaemon, tap: int) -> None:
    """Native mode is tried there unasked, and proved."""
    ours = daemon(lone_host, table(engine="ebpf"))
    wait_state(ours, "up")
    assert xdp(ours) == ON_TRIAL
    asked = request(tags=(Tag(VID),))
    os.write(tap, asked)
    reply = wait_for(lambda: _read(tap), "the reply")
    assert reply == answered(asked, MAC_B, parse(reply).pdu)
    wait_xdp(ours, NATIVE)


def test_another_mtu_is_another_trial(lone_host: Host, daemon: StartDaemon, tap: int) -> None:
    """Drivers change their buffers with it, and some stop running the program."""
    ours = daemon(lone_host, table(engine="ebpf"))
    for mtu in ("1500", "1400"):
        lone_host.ip("link", "set", "eth1", "mtu", mtu)
        wait_xdp(ours, ON_TRIAL)
        os.write(tap, request())
        wait_for(lambda: _read(tap), "the reply")
        wait_xdp(ours, NATIVE)
    assert (ours.listener()["replied"], len(programs(lone_host))) == (2, 1)


def test_a_driver_that_stops_running_the_program(
    lone_host: Host, tap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket answers alone, which is noticed; generic mode takes over."""
    monkeypatch.setattr(kernel_engine, "SWEEP_INTERVAL", 100_000_000)
    with listening(lone_host, engine="ebpf") as listener:
        assert isinstance(listener._engine, kernel_engine.KernelEngine)
        assert listener.status().xdp == ON_TRIAL
        settings = native.settings(listener._engine._duty.policy, 0, 0)
        listener._engine._program.map("settings_map").update(bytes(4), bytes(native.idle(settings)))

        def asked() -> bool:
            os.write(tap, request())
            return listener.status().xdp == GENERIC

        wait_for(asked, "generic mode")
        assert "has stopped running the program" in listener.status().notes[0]


def _read(tap: int) -> bytes:
    try:
        return os.read(tap, 2048)
    except BlockingIOError:
        return b""
