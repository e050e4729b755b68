"""VLAN tags as people write them: `100`, or outer and inner, `200.100`. PURE."""

from __future__ import annotations

from rawechod.wire import ethernet

LARGEST_VID = 4095


def parse_tags(vlan: str, pcp: int) -> tuple[ethernet.Tag, ...]:
    """Tags, outermost first; the outer of two is a service tag. Raises ValueError with a sentence."""
    vids = vlan.split(".")
    if len(vids) > ethernet.MOST_TAGS or not all(vid.isascii() and vid.isdigit() for vid in vids):
        raise ValueError(f"{vlan!r} is no VLAN: a number from 0 to {LARGEST_VID}, or two, outer.inner")
    if any(int(vid) > LARGEST_VID for vid in vids):
        raise ValueError(f"{vlan!r}: a VLAN identifier is at most {LARGEST_VID}")
    tpids = (ethernet.TPID_C,) if len(vids) == 1 else (ethernet.TPID_S, ethernet.TPID_C)
    return tuple(ethernet.Tag(tpid, pcp << 13 | int(vid)) for tpid, vid in zip(tpids, vids, strict=True))


def format_tags(tags: tuple[ethernet.Tag, ...]) -> tuple[str | None, int | None]:
    """Tags as they are written: the VLAN, and the outermost priority; None without any."""
    if not tags:
        return None, None
    return ".".join(str(tag.tci & LARGEST_VID) for tag in tags), tags[0].tci >> 13
