"""The table of journal fields says all that the daemon writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawechod import events
from tests.lab import REPOSITORY

SOURCES = sorted(
    path for path in (REPOSITORY / "rawechod").rglob("*.py") if "journal.emit(" in path.read_text(encoding="utf-8")
)


def emitted(tree: ast.Module) -> Iterator[str]:
    """The fields of each `journal.emit(event, field=..., **fields)`."""
    dictionaries = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for whole in node.targets
        for target in ast.walk(whole)
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "journal.emit":
            for keyword in call.keywords:
                yield from [keyword.arg] if keyword.arg else keys(keyword.value, dictionaries)


def keys(value: ast.expr, dictionaries: dict[str, ast.expr]) -> Iterator[str]:
    """The keys of the dictionary, or of those that make up the one of this name."""
    whole = dictionaries[value.id] if isinstance(value, ast.Name) else value
    for node in ast.walk(whole):
        if isinstance(node, ast.Dict):
            yield from (ast.literal_eval(key) for key in node.keys if key)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_what_is_emitted_is_documented(source: Path) -> None:
    """An entry has no field that the table, and so the man page, leaves out."""
    found = set(emitted(ast.parse(source.read_text(encoding="utf-8"))))
    assert found
    assert found <= set(events.FIELDS)


def test_what_sentences_use_is_documented() -> None:
    """The words in braces are fields."""
    used = {name for event in events.EVENTS for name in re.findall(r"\{(\w+)\}", event.message + event.advice)}
    assert used <= set(events.FIELDS)


def test_what_is_documented_is_used() -> None:
    """The table holds nothing that is written nowhere. `event` is in every entry."""
    written = {name for source in SOURCES for name in emitted(ast.parse(source.read_text(encoding="utf-8")))}
    used = {name for event in events.EVENTS for name in re.findall(r"\{(\w+)\}", event.message)}
    assert set(events.FIELDS) == written | used | {"event"}
