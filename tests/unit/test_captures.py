"""Capture files: every kind of pcap by hand, pcapng by hand and by another program, and files that are broken."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawechoctl.captures import Captured, CaptureError, frames

FRAME = bytes(range(60))
AT = 1_700_000_000_123_456_789
MAGICS = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D}
UNITS = {"us": 1000, "ns": 1}


def pcap(*captured: Captured, order: str = "<", unit: str = "us", link_type: int = 1) -> bytes:
    """A file of the older kind."""
    data = struct.pack(f"{order}IHHiIII", MAGICS[unit], 2, 4, 0, 0, 65535, link_type)
    for one in captured:
        seconds, rest = divmod(one.at_ns, 1_000_000_000)
        head = struct.pack(f"{order}IIII", seconds, rest // UNITS[unit], len(one.octets), one.length)
        data += head + one.octets
    return data


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """The block that begins one."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", link_type: int = 1, resolution: int | None = None) -> bytes:
    """The block that describes one."""
    option = b"" if resolution is None else struct.pack(f"{order}HHB3x", 9, 1, resolution)
    return block(1, struct.pack(f"{order}HHI", link_type, 0, 0) + option, order)


def enhanced(units: int, order: str = "<", number: int = 0) -> bytes:
    """FRAME, so many units of time after 1970."""
    head = struct.pack(f"{order}IIIII", number, units >> 32, units & 0xFFFFFFFF, len(FRAME), 1514)
    return block(6, head + FRAME, order)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("unit", ["us", "ns"])
def test_pcap(order: str, unit: str) -> None:
    """Both byte orders, both units; a frame of which only a part was kept."""
    at = AT // UNITS[unit] * UNITS[unit]
    given = [Captured(FRAME, 60, at), Captured(FRAME[:10], 1514, at + 1_000_000_000)]
    assert list(frames(pcap(*given, order=order, unit=unit))) == given


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("resolution", "units"), [(None, AT // 1000), (9, AT), (6, AT // 1000), (0x80 | 1, 2 * 10**9)]
)
def test_pcapng(order: str, resolution: int | None, units: int) -> None:
    """Both byte orders and any unit of time; blocks of other kinds are passed over."""
    data = section(order) + block(4, b"names", order) + interface(order, resolution=resolution)
    [found] = frames(data + enhanced(units, order))
    per_second = {None: 10**6, 9: 10**9, 6: 10**6, 0x81: 2}[resolution]
    assert found == Captured(FRAME, 1514, units * 10**9 // per_second)


def test_simple_blocks_and_several_sections() -> None:
    """A frame without a time; each section has its own interfaces and byte order."""
    simple = block(3, struct.pack("<I", 60) + FRAME)
    data = section() + interface() + simple + section(">") + interface(">", resolution=9) + enhanced(AT, ">")
    assert list(frames(data)) == [Captured(FRAME, 60, 0), Captured(FRAME, 1514, AT)]


@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "modpcap", "pcapng"])
def test_as_another_program_writes_it(tmp_path: Path, kind: str) -> None:
    """The same frames, converted by Wireshark's editcap."""
    if not shutil.which("editcap"):
        pytest.skip("needs editcap (wireshark-common)")
    given = [Captured(FRAME, 60, AT // 1000 * 1000), Captured(FRAME * 20, 1200, AT // 1000 * 1000 + 5000)]
    source, made = tmp_path / "source", tmp_path / "made"
    source.write_bytes(pcap(*given))
    subprocess.run(["editcap", "-F", kind, source, made], check=True, capture_output=True)
    if kind == "modpcap":
        with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
            list(frames(made.read_bytes()))
    else:
        assert list(frames(made.read_bytes())) == given


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "neither pcap nor pcapng"),
        (b"root:x:0:0", "neither pcap nor pcapng"),
        (pcap()[:20], "ends within its header"),
        (pcap(link_type=113), "link type is 113, not Ethernet"),
        (pcap(Captured(FRAME, 60, AT))[:-1], "ends within a frame"),
        (pcap(Captured(FRAME, 60, AT)) + b"\0", "ends within a frame"),
        (section()[:10], "section header is broken"),
        (section()[:20], "ends within a block"),
        (section() + interface(link_type=113) + enhanced(AT), "link type is 113"),
        (section() + enhanced(AT), "too short, or of no interface"),
        (section() + interface() + block(6, b"\0"), "too short, or of no interface"),
        (section() + block(1, b""), "interface block of it is too short"),
        (section() + struct.pack("<III", 6, 0, 0), "ends within a block"),
    ],
)
def test_broken_files(data: bytes, problem: str) -> None:
    """Each says what is wrong with it."""
    with pytest.raises(CaptureError, match=problem):
        list(frames(data))


def test_what_came_before_the_break_is_there() -> None:
    """A capture that was cut off shows its whole frames first."""
    reader = frames(pcap(Captured(FRAME, 60, AT), Captured(FRAME, 60, AT))[:-1])
    assert next(reader).octets == FRAME
    with pytest.raises(CaptureError):
        next(reader)


@given(
    st.sampled_from([pcap()[:4], pcap(order=">")[:4], section(), section() + interface()]), st.binary(max_size=200)
)
def test_arbitrary_octets(start: bytes, rest: bytes) -> None:
    """Nothing but CaptureError ever comes out."""
    try:
        list(frames(start + rest))
    except CaptureError:
        pass
