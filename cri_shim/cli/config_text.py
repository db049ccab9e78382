"""A configuration as TOML that `--config` can read, with origins as comments."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import toml

from cri_shim import config
from cri_shim.config.schema import (
    HANDLER_KEYS,
    KEYS,
    SOCKET_KEYS,
    TABLES,
    current,
    handler_values,
)
from cri_shim.untrusted import one_line

_OF_START = "flag "  # the origin of a value that no file can change


def whole(
    settings: config.Config, *, docs: bool = False, running: Mapping[str, Any] | None = None
) -> str:
    """Return every key; `docs` adds the description before each key.

    `running` has the values and origins of a daemon: they are shown, and where a file of
    `settings` says otherwise, a comment says what the next start will use.
    """
    lines: list[str] = []
    table = ""
    for name in by_table(KEYS):
        if _table(name) != table:
            table = _table(name)
            lines += ["", f"[{table}]"]
        if docs:
            lines += [f"# {KEYS[name].doc}", f"# takes effect by a {KEYS[name].when.value}"]
        value = current(settings, KEYS[name])
        lines += _lines(name, value, settings.origin[name], running)
    of_files = handler_values(settings.runtimes)
    for handler in dict.fromkeys([*settings.runtimes, *_handlers(running)]):
        lines += ["", f"[runtimes.{handler}]"]
        for field, key in HANDLER_KEYS.items():
            if docs:
                lines.append(f"# {key.doc}")
            name = f"runtimes.{handler}.{field}"
            origin = settings.origin.get(name, "default")
            lines += _lines(name, of_files.get(name, key.default), origin, running)
    for further in _sockets(settings, running):
        lines += ["", "[[sockets]]", *(_pair(name, value) for name, value in further.items())]
    return "\n".join(lines) + "\n"


def _sockets(
    settings: config.Config, running: Mapping[str, Any] | None
) -> Iterable[Mapping[str, Any]]:
    """Return the tables of [[sockets]] that run; without a daemon, those of the files."""
    if running is not None:
        found: list[dict[str, Any]] = running["values"].get("sockets", [])
        return found
    return [{n: _plain(getattr(t, n)) for n in SOCKET_KEYS} for t in settings.sockets]


def by_table(names: Iterable[str]) -> list[str]:
    """Sort keys in the order of a file: keys without a table come first."""
    return sorted(names, key=lambda name: [*TABLES].index(_table(name)) if "." in name else -1)


def line(name: str, value: Any, origin: str) -> str:
    """Return `key = value  # origin`, for use below the header of its table."""
    return f"{_pair(name, value)}  # {one_line(origin)}"


def _lines(name: str, value: Any, origin: str, running: Mapping[str, Any] | None) -> Iterable[str]:
    """Yield the line of a key; before it, what its file says if the daemon has another value."""
    if running is None or name not in running["values"]:
        yield line(name, value, origin)
        return
    in_force, since = running["values"][name], str(running["origins"].get(name, "default"))
    if in_force != _plain(value) and not since.startswith(_OF_START):
        said = _pair(name, value).partition(" = ")[2]
        where = "the default" if origin == "default" else origin
        yield f"# {one_line(where)} says {said}: takes effect at the next start"
    yield line(name, in_force, since)


def shown(value: Any) -> str:
    """Return a value as a file has it, on one line; "-" for a handler that is not configured."""
    return "-" if value is None else toml.dumps({"k": _plain(value)}).strip().partition(" = ")[2]


def _handlers(running: Mapping[str, Any] | None) -> list[str]:
    names = [] if running is None else running["values"]
    return [name.split(".")[1] for name in names if name.startswith("runtimes.")]


def _pair(name: str, value: Any) -> str:
    return toml.dumps({name.rpartition(".")[2]: _plain(value)}).strip()


def _table(name: str) -> str:
    return name.rpartition(".")[0]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
