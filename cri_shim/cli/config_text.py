"""A configuration as TOML that `--config` can read, with origins as comments."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import toml

from cri_shim import config
from cri_shim.config.schema import KEYS, TABLES, current


def whole(settings: config.Config, *, docs: bool = False) -> str:
    """Return every key; `docs` adds the description before each key."""
    lines: list[str] = []
    table = ""
    for name in by_table(KEYS):
        if _table(name) != table:
            table = _table(name)
            lines += ["", f"[{table}]"]
        if docs:
            lines.append(f"# {KEYS[name].doc}")
        lines.append(line(name, current(settings, KEYS[name]), settings.origin[name]))
    for handler, runtime in settings.runtimes.items():
        name = f"runtimes.{handler}.path"
        lines += ["", f"[runtimes.{handler}]", line(name, runtime.path, settings.origin[name])]
    return "\n".join(lines) + "\n"


def by_table(names: Iterable[str]) -> list[str]:
    """Sort keys in the order of a file: keys without a table come first."""
    return sorted(names, key=lambda name: [*TABLES].index(_table(name)) if "." in name else -1)


def line(name: str, value: Any, origin: str) -> str:
    """Return `key = value  # origin`, for use below the header of its table."""
    pair = toml.dumps({name.rpartition(".")[2]: _plain(value)}).strip()
    return f"{pair}  # {origin}"


def _table(name: str) -> str:
    return name.rpartition(".")[0]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
