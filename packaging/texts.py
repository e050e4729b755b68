"""What docs/operating.md and rawechod(8) both say; the literal words are in backticks."""

from __future__ import annotations

JOURNAL = (
    "`journalctl -u rawechod -o verbose` shows all fields, `journalctl -x` the advice. Every entry has "
    "RAWECHO_EVENT; the words in braces below are fields too, in upper case and behind `RAWECHO_` "
    "(RAWECHO_INTERFACE, RAWECHO_ETHERTYPE, RAWECHO_MAC, ...). No frame ever makes an entry. At most 30 entries "
    "of one kind are written in 30 seconds; `left_out` tells how many more there would have been."
)
DROPS = (
    "`rawechoctl stats` counts each reason a listener. What the in-kernel filter drops is not counted: frames of "
    "another EtherType than the listener's, and, with `ETH_P_ALL`, all that does not begin like an Echo PDU "
    "(so `too_short`, `foreign` and `bad_magic` stay 0 there)."
)
