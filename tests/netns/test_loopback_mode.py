"""`mode = "loopback"` on a cable: arming, what goes back, other people's generators, and two of a kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab import MAC_A, MAC_B, Daemon, Host, StartDaemon, join, wait_for
from tests.netns.conftest import ENGINES, Responder, table
from tests.netns.frames import DOT1AD, EX2, REPLY, Pdu, Tag, header, mac, request
from tests.netns.port import Port

SWAPPED = mac(MAC_A) + mac(MAC_B)
PAYLOAD = bytes(range(46))
OTHER = "02:00:00:00:00:99"
GENERATED = 1000


@pytest.fixture
def loopback(responder: Responder, engine: str) -> Daemon:
    """A daemon with one listener of mode loopback, not armed."""
    return responder(mode="loopback", tap="all")


def arm(ours: Daemon, *arguments: str) -> str:
    """`rawechoctl arm loopback`; what it says."""
    result = ours.ctl("arm", "loopback", *arguments)
    assert result.returncode == 0, result
    return result.stdout


def returned(near: Port, *frames: bytes) -> list[bytes]:
    """What comes back of these frames."""
    return near.answers(*frames)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_frame_goes_back(loopback: Daemon, near: Port, engine: str) -> None:
    """Of any EtherType, tagged or not: addresses swapped, all other octets as they were."""
    arm(loopback)
    tags = ((), (Tag(5, pcp=3),), (Tag(5, tpid=DOT1AD), Tag(6)))
    sent = [header(ethertype=kind, tags=tag) + PAYLOAD for kind in (0x9000, EX2, 46) for tag in tags]
    sent += [request(), header(ethertype=0x9000) + bytes(1500)]
    assert returned(near, *sent) == [SWAPPED + frame[12:] for frame in sent]
    listener = loopback.listener()
    assert (listener["engine"], listener["replied"]) == (engine, len(sent) + 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_does_not_go_back(loopback: Daemon, near: Port) -> None:
    """What the host needs, groups, impossible sources; an echo reply passes by."""
    arm(loopback)
    host = [header(ethertype=kind) + PAYLOAD for kind in (0x0800, 0x0806, 0x86DD, 0x88CC, 0x8809, 0x888E)]
    groups = [header(dst, ethertype=0x9000) + PAYLOAD for dst in ("ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:03", OTHER)]
    sources = [
        header(src=src, ethertype=0x9000) + PAYLOAD for src in (MAC_B, "00:00:00:00:00:00", "33:33:00:00:00:01")
    ]
    assert returned(near, *host, *groups, *sources, request(pdu=Pdu(op=REPLY))) == []
    dropped = {"own_frame": 1, "bad_source": 2, "not_for_us": 3}
    wait_for(lambda: loopback.listener()["dropped"] == dropped, f"the counters {dropped}")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_named_goes_back(responder: Responder, near: Port, engine: str) -> None:
    """IPv4 for a tester of IPv4, and still no ARP."""
    responder(mode="loopback", loopback_armed=True, loopback_ethertypes=["ETH_P_IP"])
    sent = [header(ethertype=kind) + PAYLOAD for kind in (0x0806, 0x0800)]
    assert returned(near, *sent) == [SWAPPED + sent[1][12:]]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_probe_from_a_loopback(two_hosts: tuple[Host, Host], daemon: StartDaemon, engine: str) -> None:
    """Its replies are its own: they are not sent back."""
    a, b = two_hosts
    daemon(a, table())
    ours = daemon(b, table(mode="loopback", loopback_armed=True, engine=engine))
    summary = ours.probe(MAC_A, "--count", "5", "--interval", "10ms")
    assert (summary["received"], summary["duplicates"]) == (5, 0)
    assert ours.listener()["replied"] == 0


def test_a_loopback_is_armed_for_a_time(two_hosts: tuple[Host, Host], loopback: Daemon, near: Port) -> None:
    """Status and journal tell; `disarm` ends it at once, and the interface is left alone meanwhile."""
    listener = loopback.listener()
    assert (listener["armed"], listener["armed_for_s"], listener["engine"]) == (False, None, "none")
    assert listener["state"] == "up"
    assert "mode loopback (not armed)" in loopback.ctl("status").stdout
    assert arm(loopback, "--for", "1h", "-I", "eth1") == "eth1: loopback armed for 1h 0m\n"
    assert 3590 < loopback.listener()["armed_for_s"] <= 3600
    assert "(armed for 59m " in loopback.ctl("status").stdout
    arm(loopback)
    assert 590 < loopback.listener()["armed_for_s"] <= 600
    assert len(returned(near, header(ethertype=0x9000) + PAYLOAD)) == 1
    assert loopback.ctl("disarm").stdout == "eth1: loopback is not armed\n"
    assert loopback.listener()["armed"] is False
    near.send(header(ethertype=0x9000) + PAYLOAD)
    assert loopback.listener()["replied"] == 2
    wait_for(lambda: "not armed any more, by uid 0" in loopback.stderr, "the journal to tell")
    assert "loopback armed for 1h, by uid 0: unicast frames to 02:00:00:00:00:0b" in loopback.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_it_disarms_itself(loopback: Daemon) -> None:
    """When its time is over, whoever armed it."""
    arm(loopback, "--for", "1s")
    assert loopback.listener()["armed"] is True
    wait_for(lambda: loopback.listener()["armed"] is False, "the end")
    assert loopback.listener()["engine"] == "none"
    wait_for(lambda: "its time is over" in loopback.stderr, "the journal to tell")


def test_a_restart_disarms(loopback: Daemon) -> None:
    """Unless the configuration says otherwise; a reload that changes nothing leaves it armed."""
    arm(loopback, "--for", "10m")
    assert loopback.ctl("reload").returncode == 0
    assert loopback.listener()["armed"] is True
    loopback.kill()
    loopback.restart()
    assert loopback.listener()["armed"] is False
    assert loopback.reload(table(mode="loopback", loopback_armed=True)).returncode == 0
    assert (loopback.listener()["armed"], loopback.listener()["armed_for_s"]) == (True, None)
    loopback.kill()
    loopback.restart()
    assert loopback.listener()["armed"] is True


def test_it_stays_armed_while_the_cable_is_out(two_hosts: tuple[Host, Host], loopback: Daemon, near: Port) -> None:
    """The time runs on."""
    arm(loopback)
    for state in ("down", "up"):
        two_hosts[1].ip("link", "set", "eth1", state)
        wait_for(lambda state=state: loopback.listener()["state"] == state, state)  # type: ignore[misc]
    assert loopback.listener()["armed"] is True
    assert len(returned(near, header(ethertype=0x9000) + PAYLOAD)) == 1


def test_who_may_arm_and_what(two_hosts: tuple[Host, Host], daemon: StartDaemon) -> None:
    """Operators, a listener of that mode, one of several by name, a time that makes sense."""
    a, b = two_hosts
    join(a, b, "eth2", ("02:00:00:00:02:0a", "02:00:00:00:02:0b"))
    ours = daemon(b, table())
    missing = ours.ctl("arm", "loopback")
    assert (missing.returncode, "no listener is configured with mode" in missing.stderr) == (5, True)
    assert ours.reload(table(mode="loopback") + table("eth2", mode="loopback")).returncode == 0
    refused = ours.ctl("arm", "loopback", uid=12345)
    assert (refused.returncode, "only operators" in refused.stderr) == (4, True)
    several = ours.ctl("arm", "loopback")
    assert (several.returncode, "name one of: eth1, eth2" in several.stderr) == (2, True)
    for command in (("arm", "loopback"), ("disarm",)):
        assert ours.ctl(*command, "-I", "eth3").returncode == 2
    for wrong in ("0", "999ms", "8000h", "soon"):
        assert ours.ctl("arm", "loopback", "-I", "eth1", "--for", wrong).returncode == 2
    assert ours.ctl("arm", "lldp").returncode == 2
    assert [ours.listener(index)["armed"] for index in (0, 1)] == [False, False]
    for name in ("eth1", "eth2"):
        assert ours.ctl("arm", "loopback", "-I", name).returncode == 0
    assert ours.objects("disarm", "-I", "eth2") == [{"interfaces": ["eth2"]}]
    assert [ours.listener(index)["armed"] for index in (0, 1)] == [True, False]
    assert ours.objects("disarm") == [{"interfaces": ["eth1", "eth2"]}]


@pytest.mark.parametrize("engine", ENGINES)
def test_two_loopbacks_face_each_other(two_hosts: tuple[Host, Host], daemon: StartDaemon, engine: str) -> None:
    """One frame goes round until one of them has asked the other; then it is gone, and the journal says why."""
    both = [daemon(host, table(mode="loopback", engine=engine, peer_rate_limit=0)) for host in two_hosts]
    for ours in both:
        arm(ours)
    raw = two_hosts[0].raw_socket("eth1", 0)
    raw.send(header(ethertype=0x9000, tags=(Tag(9, pcp=2),)) + PAYLOAD)
    raw.close()
    wait_for(lambda: any("returns what is returned to it" in ours.stderr for ours in both), "the breaker")
    (silent,) = [ours for ours in both if "returns what is returned to it" in ours.stderr][:1]
    assert "storm" in silent.listener()["dropped"]

    def ended() -> bool:
        before = [ours.listener()["replied"] for ours in both]
        return before == [ours.listener()["replied"] for ours in both]

    wait_for(ended, "the storm's end")
    assert all(ours.listener()["replied"] > 100 for ours in both)


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_blinds_the_breaker(two_hosts: tuple[Host, Host], daemon: StartDaemon, engine: str) -> None:
    """Frames of a kind that the other one does not return come first, in its name: the storm ends all the same."""
    a, b = two_hosts
    common = {"mode": "loopback", "engine": engine, "peer_rate_limit": 0}
    both = [
        daemon(host, table(**common, loopback_ethertypes=[named]))  # type: ignore[arg-type]
        for host, named in ((a, "ETH_P_IP"), (b, "ETH_P_ARP"))
    ]
    for ours in both:
        arm(ours)
    for host, dst, src, kind in ((a, MAC_B, MAC_A, 0x0806), (b, MAC_A, MAC_B, 0x0800), (a, MAC_B, MAC_A, 0x9000)):
        raw = host.raw_socket("eth1", 0)
        raw.send(header(dst, src, kind) + PAYLOAD)
        raw.close()
    wait_for(lambda: any("returns what is returned to it" in ours.stderr for ours in both), "the breaker")


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_has_a_generator_cut_off(loopback: Daemon, near: Port, engine: str) -> None:
    """Who is asked sends the question back in the name of another: that one gets its frames as before."""
    arm(loopback)
    attacker, generator = "02:00:00:00:0e:01", "02:00:00:00:0e:02"

    def asked() -> bytes:
        near.send(*[header(src=attacker, ethertype=0x9000) + PAYLOAD] * 200)
        heard = [frame for frame in near.settle() if frame[:6] == mac(attacker) and frame[14:16] == b"RE"]
        return heard[0] if heard else b""

    question = wait_for(asked, "a question")
    near.send(mac(MAC_B) + mac(generator) + question[12:])
    wait_for(asked, "the next look")
    frame = header(src=generator, ethertype=0x9000) + PAYLOAD
    assert [each[:6] for each in near.answers(frame)] == [mac(generator)]
    assert "returns what is returned" not in loopback.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_an_echo_responder_is_no_loopback(
    two_hosts: tuple[Host, Host], daemon: StartDaemon, near: Port, engine: str
) -> None:
    """Whoever keeps sending is asked, and answers as it should: frames go on being returned."""
    theirs = daemon(two_hosts[0], table())
    ours = daemon(two_hosts[1], table(mode="loopback", loopback_armed=True, engine=engine))
    frame = header(ethertype=0x9000) + PAYLOAD

    def asked() -> bool:
        near.send(*[frame] * 200)
        return bool(theirs.listener()["replied"])

    wait_for(asked, "a question to be answered")
    replied = ours.listener()["replied"]
    near.send(frame)
    wait_for(lambda: ours.listener()["replied"] > replied, "the frame to be returned")
    assert "returns what is returned" not in ours.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_somebody_elses_generator(
    two_hosts: tuple[Host, Host], loopback: Daemon, near: Port, tmp_path: Path
) -> None:
    """trafgen, of the netsniff-ng toolkit: every frame of a burst comes back, counted and in order."""
    assert shutil.which("trafgen"), "make setup installs netsniff-ng"
    arm(loopback)
    frame = header(ethertype=0x9000) + b"trafgen" + bytes(39)
    config = tmp_path / "burst.cfg"
    octets = ", ".join(f"0x{octet:02x}" for octet in frame)
    config.write_text(f"{{ {octets} }}\n")
    count = ["--num", str(GENERATED), "--cpus", "1", "--gap", "200us"]
    two_hosts[0].run("trafgen", "--dev", "eth1", "--conf", str(config), "--no-sock-mem", *count)
    # The storm breaker may have asked, behind the same EtherType.
    back = [frame for frame in returned(near) if frame[14:21] == b"trafgen"]
    assert back == [SWAPPED + frame[12:]] * GENERATED
    assert loopback.listener()["replied"] == GENERATED + 1
