"""Text in roff, man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SPECIAL = str.maketrans({"\\": "\\e", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})
OPTION = re.compile(r"(?<![\w-])--?(?=\w)")


def plain(text: str) -> str:
    """Text whose words are literal: a hyphen stays one that can be copied and searched for."""
    return text.translate(SPECIAL).replace("-", "\\-")


def bold(text: str) -> str:
    """What is typed as it stands."""
    return f"\\fB{plain(text)}\\fR"


def italic(text: str) -> str:
    """What stands for something else."""
    return f"\\fI{plain(text)}\\fR"


def prose(text: str) -> str:
    """A paragraph; what it has in `backticks` is literal."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    line = "".join(_part(part) for part in parts)
    return f"\\&{line}" if line.startswith((".", "'")) else line


def sentence(text: str) -> str:
    """A phrase as a sentence."""
    text = text if text.startswith("`") else text[:1].upper() + text[1:]
    return prose(text if text.endswith((".", ":")) else f"{text}.")


def item(term: str, *paragraphs: str) -> Iterator[str]:
    """An entry of a list: the term, and indented below it what there is to say."""
    yield from (".TP", term)
    for number, paragraph in enumerate(paragraphs):
        yield from ([paragraph] if number == 0 else [".IP", paragraph])


def indented(lines: Iterable[str]) -> Iterator[str]:
    """A list inside a list's entry, unless it is empty."""
    inside = list(lines)
    yield from [".RS", *inside, ".RE"] if inside else []


def _part(part: str) -> str:
    if part.startswith("`"):
        return bold(part.strip("`"))
    return OPTION.sub(lambda dashes: plain(dashes[0]), part.translate(SPECIAL))
