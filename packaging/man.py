"""The man pages: packaging/man, with what the programs themselves say in place of the lines `@BLOCK ARGUMENT@`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cmdline
import idl
import schema
import texts
from roff import bold, indented, italic, item, plain, prose, sentence

from rawechoctl import exits
from rawechod import __main__ as daemon
from rawechod import __version__, events
from rawechod.reasons import DropReason

HERE = Path(__file__).resolve().parent
CONTRACT = HERE.parent / "rawechod" / "control" / "io.rawecho.Control.varlink"
PAGES = ("rawechod.8", "rawechoctl.1", "rawecho.toml.5")
JSON_TYPES = {"string": "string", "int": "integer", "float": "number", "bool": "boolean"}

EXIT_STATUSES = {"rawechod": daemon.EXIT_STATUSES, "rawechoctl": exits.MEANINGS}
interface = idl.Interface(CONTRACT.read_text())


def page(name: str) -> str:
    """The roff of `rawechod.8` and its like."""
    template = (HERE / "man" / f"{name}.in").read_text().replace("@VERSION@", __version__)
    return re.sub(r"^@(\w+)(?: (.+))?@$", _block, template, flags=re.MULTILINE)


def _block(place: re.Match[str]) -> str:
    return "\n".join(BLOCKS[place[1]](place[2]))


def _options(where: str) -> Iterator[str]:
    """Of a program, or what a command has beside that: `rawechoctl`, `rawechoctl probe`."""
    for option in cmdline.options(*where.split()):
        argument = _argument(option)
        term = ", ".join(f"{bold(name)} {argument}".strip() for name in option.names)
        yield from item(term or argument, sentence(option.help))


def _argument(option: cmdline.Option) -> str:
    if option.choices and not option.named:
        return " | ".join(bold(choice) for choice in option.choices)
    return f"[{italic(option.value)}]" if option.optional else italic(option.value) if option.value else ""


def _commands(_: str) -> Iterator[str]:
    for name, words in cmdline.commands().items():
        yield from item(bold(name), sentence(words))
        if name != "probe":  # which has a section of its own
            yield from indented(_options(f"rawechoctl {name}"))


def _exit_statuses(program: str) -> Iterator[str]:
    for status, meaning in EXIT_STATUSES[program].items():
        yield from item(bold(str(status)), sentence(meaning))


def _drop_reasons(_: str) -> Iterator[str]:
    for reason in DropReason:
        yield from item(bold(reason.value), sentence(reason.meaning))


def _journal_events(_: str) -> Iterator[str]:
    for event in events.EVENTS:
        paragraphs = [prose(f"\N{LEFT DOUBLE QUOTATION MARK}{event.message}\N{RIGHT DOUBLE QUOTATION MARK}")]
        paragraphs += [prose(event.advice)] if event.advice else []
        paragraphs += [plain(f"MESSAGE_ID={event.message_id}")] if event.message_id else []
        yield from item(f"{bold(event.name)} ({event.level})", *paragraphs)


def _journal_fields(_: str) -> Iterator[str]:
    for name, meaning in events.FIELDS.items():
        yield from item(bold(f"RAWECHO_{name.upper()}"), sentence(meaning))


def _keys(_: str) -> Iterator[str]:
    for table in schema.tables():
        yield from (f".SS {plain(table.header)}", prose(table.meaning))
        for key in table.keys:
            default = "" if key.default is None else f" = {plain(key.default)}"
            allowed = prose(f" Allowed: {key.allowed}.") if key.allowed else ""
            yield from item(bold(key.name) + default, f"{sentence(key.meaning)} {allowed}".strip())


def _fields(name: str) -> Iterator[str]:
    """What an object has that is of this type, or that this method returns; objects inside it are unfolded."""
    member = interface.members[name]
    for field in member.results or member.fields:
        yield from item(f"{bold(field.name)} ({_json_type(field.type)})", sentence(interface.meaning(field)))
        inner = re.sub(r"\W|\[.*\]", "", field.type)
        if inner in interface.members:
            yield from indented(_fields(inner))


def _events(method: str) -> Iterator[str]:
    """The objects that `--json` prints of a method's stream: the events of the contract, unfolded."""
    for field in interface.members[method].results:
        holder = field.type.lstrip("?")
        if holder in interface.members:
            names = re.findall(r"`(\w+)`", field.comment) or [field.name]
            term = f"{bold('event')} (string) = {' | '.join(map(bold, names))}"
            yield from item(term, prose(interface.members[holder].comment))
            yield from indented(_fields(holder))


def _json_type(idl_type: str) -> str:
    nullable, plain_type = idl_type.startswith("?"), idl_type.lstrip("?")
    element = JSON_TYPES.get(plain_type.rpartition("]")[2], "object")
    containers = {"[]": f"array of {element}s", "[string]": f"object of {element}s"}
    kind = containers.get(plain_type[: plain_type.find("]") + 1], element)
    return f"{kind} or null" if nullable else kind


def _methods(_: str) -> Iterator[str]:
    for member in interface.members.values():
        if member.kind == "method":
            yield from item(bold(f"{member.name}()"), prose(member.comment))


def _errors(_: str) -> Iterator[str]:
    for member in interface.members.values():
        if member.kind == "error":
            yield from item(bold(member.name), prose(member.comment))


BLOCKS: dict[str, Callable[[str], Iterable[str]]] = {
    "text": lambda name: [prose(getattr(texts, name))],
    "options": _options,
    "commands": _commands,
    "exit_statuses": _exit_statuses,
    "drop_reasons": _drop_reasons,
    "journal_events": _journal_events,
    "journal_fields": _journal_fields,
    "keys": _keys,
    "fields": _fields,
    "events": _events,
    "methods": _methods,
    "errors": _errors,
}
