"""Reads a Varlink interface description with its comments, for the man pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(r"#[^\n]*|->|[\w.]+|[][?:,()]")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a type, a parameter of a method or of an error."""

    name: str
    type: str
    comment: str


@dataclass(slots=True)
class Member:
    """A type, method or error; a method's `results` are what it returns."""

    kind: str
    name: str
    comment: str
    fields: list[Field] = field(default_factory=list)
    results: list[Field] = field(default_factory=list)


class Interface:
    """The members by name, and what a field means: its comment, else that of the first field of its name."""

    def __init__(self, text: str) -> None:
        members = list(_Reader(text).members())
        self.members = {member.name: member for member in members}
        every = [each for member in members for each in (*member.fields, *member.results)]
        self._meanings = {each.name: each.comment for each in reversed(every) if each.comment}

    def meaning(self, one: Field) -> str:
        """What a field means; KeyError where the description nowhere says it."""
        return one.comment or self._meanings[one.name]


class _Reader:
    def __init__(self, text: str) -> None:
        # What comes before the first member is the interface's own.
        self._tokens: list[str] = TOKEN.findall(text.partition("\ninterface ")[2])[1:]
        self._at = 0

    def members(self) -> Iterator[Member]:
        while self._peek():
            comment = self._comment()
            member = Member(self._next(), self._next(), comment)
            member.fields = list(self._fields())
            if self._peek() == "->":
                self._next()
                member.results = list(self._fields())
            yield member

    def _fields(self) -> Iterator[Field]:
        self._next()  # (
        while self._peek() != ")":
            comment = self._comment()
            name, _colon = self._next(), self._next()
            yield Field(name, "".join(self._type()), comment)
        self._next()  # )

    def _type(self) -> Iterator[str]:
        while self._peek() not in (",", ")"):
            yield self._next()
        if self._peek() == ",":
            self._next()

    def _comment(self) -> str:
        lines = []
        while self._peek().startswith("#"):
            lines.append(self._next().lstrip("# "))
        return " ".join(lines)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]
