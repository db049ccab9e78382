"""Converts another runtime's configuration file into the form of cri-shim's.

A converter reads the entries of the other file in order. It calls `set` for each entry that has a
key in cri-shim, `note` for each that an operator must act on, and `drop` for the others.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cri_shim.cli.config_text import by_table, line
from cri_shim.config.keys import Key
from cri_shim.config.schema import HANDLER_KEYS, KEYS
from cri_shim.config.source import Entry
from cri_shim.errors import ConfigError
from cri_shim.untrusted import printable

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_SIZE = re.compile(r"(\d{1,15}) ?([kmgt])?(?:ib|b|i)?", re.ASCII)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass
class Conversion:
    """The entries converted so far; `text` returns the result."""

    source: Path
    values: dict[str, tuple[Any, str]] = field(default_factory=dict)  # key -> value and origin
    # handler -> its keys, each with value and origin
    handlers: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set(self, key: str, entry: Entry, convert: Callable[[Any], Any] = lambda v: v) -> None:
        """Set `key` to the entry's value; a value that the key does not accept becomes a note."""
        if (typed := self._accepted(KEYS[key], entry, convert)) is not None:
            self.values[key] = typed, entry.origin

    def imply(self, key: str, value: Any, reason: str) -> None:
        """Set `key` to how the other runtime behaves without being told; call it at the end."""
        self.values[key] = value, reason

    def set_of_handler(
        self, name: str, key: str, entry: Entry, convert: Callable[[Any], Any] = lambda v: v
    ) -> None:
        """Set `key` of a runtime handler, as `set` does."""
        if (typed := self._accepted(HANDLER_KEYS[key], entry, convert)) is not None:
            self.handlers.setdefault(name, {})[key] = typed, entry.origin

    def add_of_handler(self, name: str, key: str, entry: Entry, texts: Iterable[str]) -> None:
        """Add to a list of a runtime handler."""
        before = self.handlers.get(name, {}).get(key, ((), ""))[0]
        self.set_of_handler(name, key, entry, lambda _: [*before, *texts])

    def _accepted(self, schema: Key, entry: Entry, convert: Callable[[Any], Any]) -> Any:
        """Return the value in the key's type; None, with a note, if the key does not accept it."""
        try:
            typed = _typed(schema, convert(entry.value))
            problem = schema.check(typed)
        except (LookupError, TypeError, ValueError):
            problem = f"does not take {printable(repr(entry.value))}"
        if problem:
            self.note(entry, f"{schema.name} {problem}")
            return None
        return typed

    def note(self, entry: Entry, what: str) -> None:
        self.notes.append(f"{entry.origin}: {entry.name}: {what}")

    def drop(self, entry: Entry) -> None:
        self.note(entry, "means nothing here")

    def text(self) -> str:
        """Return the file for /etc/cri-shim/config.toml: keys with origins, then the notes."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"# made from {self.source}: for /etc/cri-shim/config.toml"
        table = ""
        for name in by_table(self.values):
            if (here := name.rpartition(".")[0]) != table:
                table = here
                yield from ("", f"[{table}]")
            yield line(name, *self.values[name])
        for handler, keys in self.handlers.items():
            yield from ("", f"[runtimes.{handler}]")
            for key, (value, origin) in keys.items():
                yield line(f"runtimes.{handler}.{key}", value, origin)
        if self.notes:
            yield from ("", *(f"# {note}" for note in self.notes))


def seconds(text: str) -> float:
    """Convert a Go duration such as "4h0m0s" to seconds; ValueError for another text."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def size(value: Any) -> int:
    """Convert a size such as "12MiB", with powers of 1024 as CRI-O; ValueError for another one."""
    match = _SIZE.fullmatch(str(value).strip().lower())
    if match is None:
        raise ValueError(f"{value!r} is not a size")
    return int(match[1]) << 10 * " kmgt".index(match[2] or " ")


def refuse_if_empty(conversion: Conversion, what: str) -> None:
    """Raise ConfigError if no entry was recognised: the file belongs to another program."""
    if not conversion.values and not conversion.handlers and not conversion.notes:
        raise ConfigError(f"{conversion.source} does not look like a configuration of {what}")


def _typed(schema: Key, value: Any) -> Any:
    if getattr(schema.type, "__origin__", None) is tuple:
        items = [value] if isinstance(value, str) else list(value)
        return tuple(map(schema.type.__args__[0], items))
    if schema.type in (int, bool) and type(value) is not schema.type:
        raise TypeError(value)
    return schema.type(value)
