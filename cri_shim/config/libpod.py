"""Translates an old libpod.conf: the forms that libpod accepted and cri-shim does not.

A file that worked with libpod must not prevent the start; a setting that cannot be translated is a
warning.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from cri_shim.config.source import Entry

# libpod searched $PATH for the program of a runtime that was listed without a path.
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_EMPTY_IS_DEFAULT = ("runtime_path", "conmon_path", "cni_plugin_dir", "init_path")
_PLACES = ("static_dir", "tmp_dir")
_LONGEST = 63  # characters of a DNS label


def translated(entries: Iterable[Entry], warnings: list[str]) -> list[Entry]:
    """Return the entries in the form of cri-shim's file; unknown keys stay, for the caller."""
    found = list(entries)
    by_path = any(entry.name == "runtime_path" and entry.value for entry in found)
    result: list[Entry] = []
    for entry in found:
        if entry.name in _EMPTY_IS_DEFAULT and not entry.value:
            continue
        if entry.name == "runtime" and by_path:
            warnings.append(f"{entry.origin}: runtime is not used: runtime_path is set, too")
        elif entry.name == "runtime" and isinstance(entry.value, str):
            result += _default(entry, entry.value)
        elif entry.path[0] == "runtimes" and len(entry.path) == 2:
            result.append(_handler(entry, warnings))
        else:
            result.append(entry)
    return result


def without_roots_places(entries: Iterable[Entry], file: Path, warnings: list[str]) -> list[Entry]:
    """Return the entries of the machine's file for an unprivileged user: without directories."""
    kept: list[Entry] = []
    for entry in entries:
        if entry.name in _PLACES and file.parts[1:2] in (("etc",), ("usr",)):
            warnings.append(f"{entry.origin}: {entry.name} is root's: users have their own places")
        else:
            kept.append(entry)
    return kept


def label(name: str) -> str:
    """Make a handler's name from a program's name: RuntimeClass requires a DNS label."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST].strip("-") or "runtime"


def _default(entry: Entry, value: str) -> list[Entry]:
    """Translate `runtime`: the name or the path of a runtime."""
    name = label(PurePath(value).name) if value else ""
    chosen = replace(entry, value=name)
    if not value.startswith("/"):
        return [chosen]
    return [Entry(("runtimes", name), [value], entry.origin), chosen]


def _handler(entry: Entry, warnings: list[str]) -> Entry:
    """Translate [runtimes] NAME = [paths]; an empty list means a search in $PATH."""
    name = entry.path[1]
    value: Any = entry.value
    if value == []:
        value = [f"{directory}/{name}" for directory in _PATH]
    if label(name) != name:
        warnings.append(f"{entry.origin}: runtime {name} is handler {label(name)} here")
    return replace(entry, path=("runtimes", label(name)), value=value)
