"""The kernel engine's peers: the program counts them, the daemon reads them and makes room."""

from __future__ import annotations

from rawechod.echo import native
from rawechod.echo.bpf import Program
from rawechod.echo.counters import SessionTable
from rawechod.echo.peers import MOST_PEERS, Census, PeerState
from rawechod.echo.sweep import Sweep

_FIRST = bytes(4)


class KernelPeers:
    """The program's map of peers."""

    def __init__(self, program: Program) -> None:
        self._peers, self._others = program.map("peers"), program.map("others")
        self._sweep = Sweep(self._peers, native.MAC.size, native.PEER.size)
        self._turned_away = 0

    def census(self) -> Census:
        """What was counted of each peer that the program remembers."""
        macs, peers = self._peers.entries(native.MAC.size, native.PEER.size, MOST_PEERS)
        return native.census(macs, peers, self._other())

    def import_(self, peers: list[PeerState], forgotten: int) -> None:
        """Have the program go on with what was counted so far, into empty maps."""
        for one in sorted(peers, key=lambda each: each.last)[-MOST_PEERS:]:
            self._peers.update(native.MAC.pack(int.from_bytes(one.mac)), native.PEER.pack(*one[1:]))
        self._others.update(_FIRST, native.PEER.pack(0, forgotten, 0, 0))

    def export(self) -> tuple[list[PeerState], int]:
        """Hand over every peer, and what was received of all others: nothing is left."""
        macs, peers = self._peers.entries(native.MAC.size, native.PEER.size, MOST_PEERS)
        forgotten = native.PEER.unpack(self._other())[1]
        self._others.update(_FIRST, bytes(native.PEER.size))
        found: list[PeerState] = []
        for (mac,), peer in zip(native.MAC.iter_unpack(macs), native.PEER.iter_unpack(peers), strict=True):
            self._peers.delete(native.MAC.pack(mac))
            found.append(PeerState(mac.to_bytes(6), *peer))
        return found, forgotten

    def forget(self, now: int) -> Census:
        """Have the program forget those that fell silent, where it found no room all whose buckets are full again.

        What was counted of them.
        """
        before, self._turned_away = self._turned_away, native.PEER.unpack(self._other())[1]
        silence = SessionTable.SILENCE if self._turned_away == before else 0

        def old(peer: bytes) -> bool:
            due, _, _, last = native.PEER.unpack(peer)
            return bool(due <= now and now - last >= silence)

        gone = self._sweep.forget(old)
        return native.census(b"".join(gone), b"".join(gone.values()), bytes(native.PEER.size))

    def _other(self) -> bytes:
        return self._others.lookup(_FIRST, native.PEER.size) or bytes(native.PEER.size)
