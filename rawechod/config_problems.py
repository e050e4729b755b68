"""What is wrong with a configuration, told so that it can be mended: key, value found, values allowed."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from pydantic import ValidationError

from rawechod.durations import format_duration
from rawechod.errors import OutsideError
from rawechod.streams import printable

MOST_TOLD = 30
"""Problems: who reads them mends a file."""
LONGEST_TOLD = 60
"""Characters of a key or value."""
LONGEST_SENTENCE = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `key` is its path in the file, empty for the file as a whole."""

    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.key}: {self.sentence}" if self.key else self.sentence


class ConfigError(OutsideError):
    """A configuration that can't be used; `str()` has a line a problem, up to MOST_TOLD of them."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        more = len(problems) - MOST_TOLD
        problems = problems[:MOST_TOLD] + ([Problem("", f"{more} problems more")] if more > 0 else [])
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.path = path
        self.problems = problems


def from_pydantic(error: ValidationError, data: dict[str, Any], known: dict[str, list[str]]) -> list[Problem]:
    """A problem for each of pydantic's with `data`; `known` has the keys of each table.

    Beyond those that are told they are counted alone: a sentence may take a millisecond.
    """
    details = error.errors(include_url=False)
    told = (detail | {"input": _found(data, detail["loc"], detail["input"])} for detail in details[:MOST_TOLD])
    problems = [_problem(dict(detail), known) for detail in told]
    return problems + [Problem(_key(detail["loc"]), "") for detail in details[MOST_TOLD:]]


def _found(data: Any, location: tuple[str | int, ...], otherwise: object) -> object:
    """What is there in the file: pydantic 2.10 has what our own validator made of it instead."""
    try:
        for part in location:
            data = data[part]
    except (KeyError, IndexError, TypeError):
        return otherwise
    return data


def across_listeners(data: dict[str, Any], most: int) -> list[Problem]:
    """What is wrong with the listeners together, as many as there may be.

    Looks at unvalidated tables, so that it can be told at once.
    """
    tables = data.get("echo", [])
    if not isinstance(tables, list):
        return []
    problems: list[Problem] = []
    seen: list[tuple[int, str, str]] = []
    for index, table in enumerate(tables[:most]):
        if not isinstance(table, dict):
            continue
        interface = _word(table.get("interface", "lo"))
        ethertype = _word(table.get("ethertype", "ETH_P_ALL"))
        problems += _mode_problems(table, f"echo[{index}]", interface, ethertype)
        problems += [
            Problem(
                f"echo[{index}].ethertype",
                f"{ethertype} overlaps with {taken} of echo[{other}] on {interface}: both would answer",
            )
            for other, place, taken in seen
            if place == interface and (taken == ethertype or "ETH_P_ALL" in (taken, ethertype))
        ]
        seen.append((index, interface, ethertype))
    return problems


def _mode_problems(table: dict[str, Any], where: str, interface: str, ethertype: str) -> list[Problem]:
    mode, named = table.get("mode"), table.get("loopback_ethertypes")
    if mode == "hello" and interface != "lo":
        return [Problem(f"{where}.mode", f'"hello" works on lo only, not on {interface}')]
    if mode != "loopback":
        return []
    if interface == "lo":
        return [Problem(f"{where}.mode", '"loopback" on lo would return its own frames for ever')]
    if ethertype == "ETH_P_PAE" and not (isinstance(named, list) and ethertype in named):
        sentence = "the host needs ETH_P_PAE itself: name it in loopback_ethertypes to have its frames returned"
        return [Problem(f"{where}.ethertype", sentence)]
    return []


def _problem(detail: dict[str, Any], known: dict[str, list[str]]) -> Problem:
    location = detail["loc"]
    if location[-1:] == ("[key]",):
        location = location[:-2]  # What is wrong is the key itself: it is the value found.
    key = _key(location)
    if detail["type"] == "extra_forbidden":
        return Problem(key, _unknown_key(location, known))
    found = _show(detail["input"])
    if detail["type"] == "value_error":
        return Problem(key, f"found {found}: {_cut(str(detail['ctx']['error']), LONGEST_SENTENCE)}")
    return Problem(key, f"found {found}; allowed: {_allowed(detail)}")


def _key(location: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_word(part)}" for part in location).lstrip(".")


def _unknown_key(location: tuple[str | int, ...], known: dict[str, list[str]]) -> str:
    if len(location) == 1:
        what, names = "table", list(known)
    else:
        what, names = "key", known.get(str(location[0]), [])
    near = difflib.get_close_matches(str(location[-1]), names, 1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}"
    return f"unknown {what}; {hint}"


def _allowed(detail: dict[str, Any]) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "literal_error":
        return str(context["expected"]).replace("'", '"')
    wanted = {
        "int_type": "a whole number",
        "bool_type": "true or false",
        "string_type": "a text",
        "list_type": "a list",
        "dict_type": "a table",
        "model_type": "a table",
        "model_attributes_type": "a table",
        "string_too_short": "a text that is not empty",
        "too_long": f"at most {context.get('max_length')} of them",
    }
    for bound, words in (("ge", "at least"), ("le", "at most")):
        if bound in context:
            return f"{words} {_bound(detail, context[bound])}"
    return wanted.get(detail["type"], str(detail["msg"]))


def _bound(detail: dict[str, Any], bound: int) -> str:
    """A bound in the words of the file: durations are nanoseconds inside."""
    if detail["loc"][-1] in ("interval", "timeout", "duration", "spin", "report_every"):
        return format_duration(bound)
    return str(bound)


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex(":")
    try:
        text = str(value) if isinstance(value, date | time) else json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        text = "a number of thousands of digits"
    except RecursionError:
        text = "something nested too deeply"
    return _cut(printable(text))


def _word(value: object) -> str:
    """A name as it is, where it can be shown."""
    return _cut(printable(value)) if isinstance(value, str) else _show(value)


def _cut(text: str, longest: int = LONGEST_TOLD) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."


def sentence(error: ValueError | RecursionError) -> str:
    """What a parser of TOML complains of, short and in one line."""
    text = str(error)
    if "int_max_str_digits" in text or "integer string conversion" in text:
        text = "a number of thousands of digits"
    return _cut(printable(text), LONGEST_SENTENCE)
