"""`python -m tests.machines.table [build/matrix.json]`: a run of the matrix, as docs/engines.md shows it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.machines.test_matrix import ENGINES, RESULTS


def table(cells: list[dict[str, Any]]) -> str:
    """Markdown: a row for each kernel and driver, a column for each engine that was asked for."""
    rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for cell in cells:
        rows.setdefault((cell["kernel"], cell["driver"]), {})[cell["wanted"]] = cell
    lines = [
        "| kernel | driver | `epoll` | `ebpf`, generic | `ebpf`, native | seen |",
        "|---|---|---|---|---|---|",
    ]
    for (kernel, driver), found in sorted(rows.items()):
        said = [_said(found[engine]) if engine in found else "not tried" for engine in ENGINES]
        date = max(cell["date"] for cell in found.values())
        lines.append(f"| {kernel} | `{driver}` | {' | '.join(said)} | {date} |")
    return "\n".join(lines)


def _said(cell: dict[str, Any]) -> str:
    if min(cell["received"]) < 5:
        return f"answers {', '.join(map(str, cell['received']))} of 5 (untagged, tagged, 1514 octets)"
    if cell["wanted"] != "native" or (cell["xdp"] or "").startswith("native"):
        return "answers"
    return str(cell["notes"][0]) if cell["notes"] else "generic mode answers"


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    print(table([json.loads(line) for line in place.read_text().splitlines()]))
