"""The configuration's keys as the documentation tells them, read off the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from rawechod import config
from rawechod.durations import format_duration


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table. The texts have their literal words in backticks."""

    name: str
    default: str | None
    """In TOML; None where there is none."""
    allowed: str
    """Empty where the meaning says it."""
    meaning: str


NAMED = Key("NAME", None, "", "The MAC that NAME stands for; `broadcast` and `pae-group` are taken.")
"""Of a table whose keys are the user's own."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file."""

    header: str
    meaning: str
    keys: list[Key]


def tables() -> Iterator[Table]:
    """All tables, in the order of the file."""
    defaults = config.dump(config.Config())
    for name, whole in config.Config.model_fields.items():
        model, many = config.TABLES.get(name), isinstance(defaults[name], list)
        header = f"[[{name}]]" if many else f"[{name}]"
        if model:
            values = defaults[name][0] if many else defaults[name]
            keys = [_key(key, values[key], field) for key, field in model.model_fields.items()]
            yield Table(header, _words(model.__doc__), keys)
        else:
            yield Table(header, _words(whole.description), [NAMED])


def _key(name: str, default: object, field: FieldInfo) -> Key:
    # JSON's strings, numbers, booleans and flat lists are TOML's too.
    text = None if default is None else json.dumps(default, ensure_ascii=False)
    return Key(name, text, _allowed(field), _words(field.description))


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _allowed(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    bounds = {name: getattr(item, name) for item in field.metadata for name in ("ge", "le") if hasattr(item, name)}
    if not bounds:
        return ""
    duration = any(getattr(item, "func", None) is config._duration for item in field.metadata)
    show = format_duration if duration else str
    return f"{show(bounds['ge'])} to {show(bounds['le'])}"
