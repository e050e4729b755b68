"""A real 802.1X exchange on the same port: left alone, and no nuisance."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.lab import MAC_A, MAC_B, Host, StartDaemon
from tests.netns.conftest import Responder, table
from tests.netns.frames import PAE, PAE_GROUP, eapol, header, request
from tests.netns.port import Port

START = header(dst=PAE_GROUP, ethertype=PAE) + eapol(b"", kind=1).ljust(46, b"\0")
IDENTITY_REQUEST = eapol(b"\x01\x01\x00\x05\x01", kind=0).ljust(46, b"\0")
"""EAP, code request, id 1, type identity: what an authenticator sends to a port that came up."""


class Authenticator:
    """Sends EAP identity requests to a MAC and to the group for as long as it lives."""

    def __init__(self, port: Port, target: str, source: str) -> None:
        self._frames = [header(dst, source, PAE) + IDENTITY_REQUEST for dst in (target, PAE_GROUP)]
        self._port = port
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.001):
            self._port.send(*self._frames)
            self.sent += len(self._frames)

    def stop(self) -> None:
        """No more."""
        self._end.set()
        self._thread.join()


@pytest.fixture
def authenticator(near: Port) -> Iterator[Authenticator]:
    """At host a's end, towards host b; it takes the MAC of host a."""
    made = Authenticator(near, MAC_B, MAC_A)
    yield made
    made.stop()


def test_eap_is_foreign_to_a_pae_listener(responder: Responder, near: Port) -> None:
    """EAPOL-Start, EAP and EAPOL-Logoff are counted as foreign and never answered."""
    ours = responder(ethertype="ETH_P_PAE")
    frames = [START, header(ethertype=PAE) + IDENTITY_REQUEST, header(ethertype=PAE) + eapol(b"", kind=2)]
    assert near.answers(*frames, ethertype=PAE) == []
    assert ours.listener()["dropped"] == {"foreign": 3}


def test_eap_disturbs_no_probe(
    two_hosts: tuple[Host, Host], daemon: StartDaemon, responder: Responder, authenticator: Authenticator
) -> None:
    """A probe from a port with an authenticator gets its answers, and counts nothing else."""
    far = responder(ethertype="ETH_P_PAE")
    ours = daemon(two_hosts[0], table(ethertype="ETH_P_PAE"))
    for prober, target in ((far, MAC_A), (ours, MAC_B)):
        summary = prober.probe("-c", "20", "-i", "0.01", target)
        assert (summary["sent"], summary["received"], summary["lost"]) == (20, 20, 0)
        heard = [MAC_A] if prober is far else []
        assert summary["authenticators"] == heard
        assert not any(summary[name] for name in ("duplicates", "corrupted", "strangers", "late", "reordered"))
    authenticator.stop()
    listener = far.listener()
    assert listener["dropped"]["foreign"] >= 1
    assert set(listener["dropped"]) <= {"foreign"}
    assert listener["received"] == listener["replied"] + sum(listener["dropped"].values())


def test_eap_is_not_even_heard_under_all(responder: Responder, near: Port) -> None:
    """An ETH_P_ALL listener's filter lets only our own kind of EAPOL pass."""
    ours = responder()
    assert near.answers(START, header(ethertype=PAE) + IDENTITY_REQUEST) == []
    assert len(near.answers(request(ethertype=PAE))) == 1
    assert ours.listener()["received"] == 3
