"""The receive ring: each frame is taken once, whatever the ring's size is, also under the sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rawechod.echo import native
from rawechod.echo.accelerator import Accelerator, Tables
from rawechod.echo.reflector import Policy
from rawechod.packet.socket import Options, Ring, open_socket, ring_for
from rawechod.wire import ethernet
from tests.lab import Host, wait_for
from tests.peers import build
from tests.unit import frames

ON_LO = Policy(ethernet.ETH_P_ALL, ethernet.ZERO, 1500, loopback_device=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/peers/ring.c, compiled."""
    return build.sanitized("ring", tmp_path_factory.mktemp("ring"))


@pytest.mark.parametrize("frames", [1, 2, 3, 31, 32, 63, 64, 65, 128, 200])
def test_every_frame_once(program: Path, frames: int) -> None:
    """Empty, full and in between; with fewer frames than a batch has, and more."""
    result = subprocess.run([program, str(frames)], text=True, capture_output=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_batch_engine_from_within(tmp_path: Path) -> None:
    """tests/peers/batch.c: the bucket's edge, a full queue, the loops that are kept, room for sessions."""
    program = build.sanitized("batch", tmp_path)
    result = subprocess.run([program], text=True, capture_output=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("length", "frame_size"), [(60, 2048), (1522, 2048), (9022, 16384), (65558, 131072)])
def test_shape(length: int, frame_size: int) -> None:
    """A frame finds room; as many frames as are wanted, within the memory that is to be had."""
    for wanted in (1, 100, 5000, 10**7):
        ring = ring_for(length, wanted)
        assert ring.frame_size == frame_size
        assert ring.frames & (ring.frames - 1) == 0
        assert ring.frames >= min(wanted, 512 if frame_size == 131072 else 4096)
        assert ring.frame_size * ring.frames <= 64 << 20
    assert ring_for(length, 10**7, 1).frames == 32


@pytest.mark.parametrize("granted", [512, 128, 96, 0], ids=lambda frames: f"{frames} granted")
def test_another_ring_than_was_asked_for(lone_host: Host, granted: int) -> None:
    """The kernel had memory for half of it, for a quarter; the ring can't be mapped; there is none: it hears."""
    with lone_host.entered():
        lo = 1
        sock = open_socket(lo, Options(ring=Ring(2048, granted)))
        tables = Tables()
        fast = Accelerator(sock, 1522, native.settings(ON_LO, 0, 0), tables, Ring(2048, 512))
        with sock, lone_host.raw_socket("lo") as sender:
            for number in range(200):
                sender.send(frames.request(dst=bytes(6), src=bytes(6), seq=number))
                wait_for(fast.serve, "the request")
        fast.close()
        tables.close()
