"""The origins of a document's fields: the place whose value a builder took.

The builders call `put` where they decide a field. For a container that is created the recorder is
OFF, which records nothing. For a plan it is a Recorder:

    recorder = Recorder()
    document = plan.decide(replace(inp, origins=recorder)).document
    recorder.of(document)       {"/process/args": "CRI config.args", ...}

An origin begins with its kind: CRI, image, node default (a key of the configuration), annotation,
CDI, hook, node (a fact of this machine), or cri-shim. A path has the names of the fields. In lists
it has what identifies an entry (see _KEYS), because the order changes while a document is made.
"""

from collections.abc import Iterator
from typing import Any

BUILT_IN = "cri-shim"
UNKNOWN = "unknown"  # no builder recorded it; tests hold that there is no such field

_KEYS = {
    ("mounts",): "destination",
    ("linux", "namespaces"): "type",
    ("linux", "devices"): "path",
    ("process", "rlimits"): "type",
}
_SETS = (("process", "capabilities"), ("process", "user", "additionalGids"))
_ENVIRONMENT = ("process", "env")

Path = tuple[str, ...]


class Origins:
    """The recorder of containers that are created: it is false, and records nothing."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def put(self, origin: str, *path: str) -> None:
        """Record the origin of a field and of all fields in it; a later one replaces it."""


OFF = Origins()


class Recorder(Origins):
    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[Path, str] = {}

    def __bool__(self) -> bool:
        return True

    def put(self, origin: str, *path: str) -> None:
        self._found[path] = origin

    def of(self, document: dict[str, Any]) -> dict[str, str]:
        """Return the origins of the document's fields by JSON pointer (RFC 6901).

        An entry is for the field and everything in it: a part with a single origin is one entry.
        """
        found: dict[str, str] = {}
        for name, value in document.items():
            found |= self._below(value, (name,), f"/{_escaped(name)}", UNKNOWN)
        return found

    def _below(self, value: Any, path: Path, pointer: str, above: str) -> dict[str, str]:
        own = self._found.get(path, above)
        entries: dict[str, str] = {}
        for name, key, each in _parts(value, path):
            entries |= self._below(each, (*path, key), f"{pointer}/{_escaped(name)}", own)
        together = set(entries.values()) or {own}
        return {pointer: together.pop()} if len(together) == 1 else entries


def cri(field: str) -> str:
    """Return the origin of a field of CreateContainer's request."""
    return f"CRI {field}"


def image(key: str) -> str:
    """Return the origin of a key of the image's configuration."""
    return f"image {key}"


def default(key: str) -> str:
    """Return the origin of a key of the node's configuration."""
    return f"node default {key}"


def of_annotation(name: str) -> str:
    return f"annotation {name}"


def node(fact: str) -> str:
    """Return the origin of a fact of this machine."""
    return f"node {fact}"


def _parts(value: Any, path: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield the entries of an object or list: name in the document, name in a path, value."""
    if isinstance(value, dict):
        yield from ((name, name, each) for name, each in value.items())
    elif isinstance(value, list):
        yield from ((str(n), _key(path, n, each), each) for n, each in enumerate(value))


def _key(path: Path, number: int, entry: Any) -> str:
    if path == _ENVIRONMENT:
        return str(entry).partition("=")[0]
    if path in _KEYS:
        return str(entry[_KEYS[path]])
    return str(entry) if any(path[: len(of)] == of for of in _SETS) else str(number)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
