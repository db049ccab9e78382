"""Reads one source of configuration into entries that remember their file and line.

tomllib returns values without line numbers. `line_numbers` finds them in the text: a value reaches
from its `=` to the first line after which tomllib accepts it as complete.
"""

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim import ownership, untrusted
from cri_shim.config import foreign
from cri_shim.errors import ConfigError

_HEADER = re.compile(r"\s*\[{1,2}(?P<name>[^\[\]]+)\]{1,2}\s*(#.*)?$")
_ASSIGNMENT = re.compile(r"""\s*(?P<name>(?:[\w.\s-]|"[^"]*"|'[^']*')+?)\s*=(?P<value>.*)$""")
_CLOSING = re.compile(r"""[\]"'}]""")  # ends a value of several lines
_AT = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)")

SOCKETS = "sockets"  # the one array of tables
MAX_LINES = 200  # lines of one value in the search for line numbers
MAX_KEY = 500  # characters before the =; the time of the pattern grows with their square
MAX_TRIES = 5000  # tries for the ends of values in one file: they take a second
MAX_BYTES = 256 << 10  # bytes of a file; a file with every key and its meaning has 10 KiB

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: `value` from TOML, or the text of a flag; `origin` is for errors."""

    path: KeyPath
    value: Any
    origin: str
    is_flag: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.path)


def read_file(file: Path) -> list[Entry]:
    """Return the settings of a TOML file; ConfigError with file and line if it cannot be read.

    A file that others may change is refused: it names programs that the daemon executes.
    """
    try:
        if problem := ownership.of_file(file) or ownership.of_way(file):
            raise ConfigError(f"configuration {file} is not read: {problem}")
        text = untrusted.text(untrusted.read_file(file, MAX_BYTES))
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) else e
        raise ConfigError(f"cannot read configuration {file}: {reason}") from e
    if problem := foreign.of_text(file, text):
        raise ConfigError(problem)
    try:
        untrusted.refuse_long_keys(text)
        leaves = list(_leaves(tomllib.loads(text)))
    except (ValueError, RecursionError) as e:
        reason = "nested too deeply" if isinstance(e, RecursionError) else e
        raise ConfigError(f"{file}:{_line_of(e, text)}: not valid TOML: {reason}") from e
    lines = line_numbers(text)
    return [Entry(path, value, f"{file}:{_nearest(lines, path)}") for path, value in leaves]


def place(origin: str, name: str) -> str:
    """Return where a key was set: "FILE:LINE: KEY", or "flag KEY", which has the key already."""
    return origin if origin == _flag(name) else f"{origin}: {name}"


def _flag(name: str) -> str:
    return f"flag {untrusted.printable(name, 200)}"


def read_flags(overrides: Mapping[str, str]) -> list[Entry]:
    """Return the settings from the command line, by dotted key."""
    return [
        Entry(tuple(name.split(".")), text, _flag(name), is_flag=True)
        for name, text in overrides.items()
    ]


def flag_value(text: str) -> Any:
    """Parse the text of a flag as TOML; a plain word is a string, and so is a quoted one."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _leaves(document: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, name))
        elif (*above, name) == (SOCKETS,) and isinstance(value, list):
            yield from _elements(value)
        else:
            yield (*above, name), value


def _elements(tables: list[Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the settings of [[sockets]] by path: sockets, the number of the table, the key."""
    for number, table in enumerate(tables):
        if isinstance(table, dict) and table:
            yield from _leaves(table, (SOCKETS, str(number)))
        else:
            yield (SOCKETS, str(number)), table


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return the line (from 1) of every table and key of a valid TOML text, within MAX_TRIES.

    The tables of [[sockets]] are numbered from 0.
    """
    count = itertools.count()
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    lines = text.splitlines()
    at, tries = 0, MAX_TRIES
    while at < len(lines) and tries > 0:
        if header := _HEADER.match(lines[at]):
            table = _key_path(header["name"])
            if table == (SOCKETS,) and lines[at].lstrip().startswith("[["):
                table = (SOCKETS, str(next(count)))
            found.setdefault(table, at + 1)
        elif assignment := _assignment(lines[at]):
            found[table + _key_path(assignment["name"])] = at + 1
            following = lines[at + 1 : at + 1 + min(tries, MAX_LINES)]
            extra = _extra_lines(assignment["value"], following)
            tries -= len(following) if extra is None else extra + 1
            at += extra or 0
        at += 1
    return found


def _assignment(line: str) -> re.Match[str] | None:
    key, equals, _ = line.partition("=")
    return _ASSIGNMENT.match(line) if equals and len(key) <= MAX_KEY else None


def _key_path(text: str) -> KeyPath:
    """Parse a dotted, perhaps quoted key, with the TOML parser itself."""
    try:
        document: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(document, dict):
        name, document = next(iter(document.items()))
        path.append(name)
    return tuple(path)


def _extra_lines(value: str, following: list[str]) -> int | None:
    """Return how many further lines the value has; None if `following` has too few."""
    for count in range(len(following) + 1):
        if count and not _CLOSING.search(following[count - 1]):
            continue
        try:
            tomllib.loads("\n".join([f"value ={value}", *following[:count]]))
        except tomllib.TOMLDecodeError:
            continue
        return count
    return None


def _nearest(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Return the line of a key, or of the inline table that contains it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _line_of(error: Exception, text: str) -> int:
    at = _AT.search(str(error))
    return int(at[1]) if at and at[1] else max(1, len(text.splitlines()))
