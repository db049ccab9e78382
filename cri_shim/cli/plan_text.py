"""A planned document as text: one line a field, with its origin in a column at the right."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_WIDTH = 72  # characters of a part that is written in one line
_COLUMN = 60  # where origins begin, if the line is not longer


def text(document: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """Return the text; `origins` are by JSON pointer, each for everything below it."""
    lines = [_line(*each) for each in _fields(document, "", 0, origins, known=False)]
    return "\n".join(lines)


def _line(indent: int, field: str, origin: str) -> str:
    line = f"{'  ' * indent}{field}"
    return f"{line:<{_COLUMN}}  # {origin}" if origin else line


def _fields(
    value: Any, pointer: str, indent: int, origins: Mapping[str, str], *, known: bool
) -> Iterator[tuple[int, str, str]]:
    """Yield indent, text and origin of each line below a part; `known`: its origin is above."""
    for name, each in _entries(value):
        here = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        origin = "" if known else origins.get(here, "")
        told = known or bool(origin)
        label = "-" if isinstance(value, list) else f"{_shown(name)}:"
        short = json.dumps(each, ensure_ascii=True)
        is_whole = not isinstance(each, dict | list) or not each
        if is_whole or (told and len(short) <= _WIDTH):
            yield indent, f"{label} {short}", origin
        else:
            yield indent, label, origin
            yield from _fields(each, here, indent + 1, origins, known=told)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((str(n), each) for n, each in enumerate(value))
    else:
        yield from value.items()


def _shown(name: str) -> str:
    """Return a field's name; one with odd characters in quotes."""
    return name if name.isascii() and name.isprintable() and name else json.dumps(name)
