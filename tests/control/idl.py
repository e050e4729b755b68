"""The contract as one foreign library reads it, made into the types of the other, which check replies by it."""

from __future__ import annotations

from typing import Any

from asyncvarlink.conversion import (
    DictVarlinkType,
    ForeignVarlinkType,
    ListVarlinkType,
    ObjectVarlinkType,
    OptionalVarlinkType,
    SimpleVarlinkType,
    VarlinkType,
)
from varlink import scanner

SIMPLE = {
    bool: SimpleVarlinkType("bool", bool),
    int: SimpleVarlinkType("int", int),
    float: SimpleVarlinkType("float", float),
    str: SimpleVarlinkType("string", str),
}


class Contract:
    """An interface's description, parsed by `varlink`."""

    def __init__(self, description: str) -> None:
        self.interface = scanner.Interface(description)

    def names(self, kind: str) -> set[str]:
        """Of its methods (`_Method`), errors (`_Error`) or types (`_Alias`)."""
        members = self.interface.members.items()
        return {name for name, member in members if type(member).__name__ == kind}

    def parameters(self, method: str) -> ObjectVarlinkType:
        """What a method takes."""
        return self._struct(self.interface.members[method].in_type)

    def reply(self, method: str) -> ObjectVarlinkType:
        """What a method replies."""
        return self._struct(self.interface.members[method].out_type)

    def check_reply(self, method: str, value: Any) -> None:
        """Raises ConversionError where a reply is not as the contract says."""
        self.reply(method).fromjson(value)

    def check_error(self, error: str, value: Any) -> None:
        """Raises KeyError for an unknown error, ConversionError for other parameters than it has."""
        name = error.removeprefix(f"{self.interface.name}.")
        self._struct(self.interface.members[name].type).fromjson(value)

    def _struct(self, found: Any) -> ObjectVarlinkType:
        return ObjectVarlinkType({field: self._type(kind) for field, kind in found.fields.items()})

    def _type(self, found: Any) -> VarlinkType:
        name = type(found).__name__
        if name == "_CustomType":
            return self._type(self.interface.members[found.name].type)
        if name == "_Struct":
            return self._struct(found)
        if name == "_Object":
            return ForeignVarlinkType()
        wrappers = {"_Maybe": OptionalVarlinkType, "_Array": ListVarlinkType, "_Dict": DictVarlinkType}
        if name in wrappers:
            return wrappers[name](self._type(found.element_type))
        return SIMPLE[type(found)]
