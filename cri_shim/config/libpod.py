"""What an old libpod.conf says, in our terms: the forms that libpod took and we do not.

Nothing in such a file that libpod ran with may keep us from starting; what cannot be carried over
is a warning.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from cri_shim.config.source import Entry

# Where libpod looked for the programs of a runtime that was listed without a path: in $PATH.
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_EMPTY_IS_DEFAULT = ("runtime_path", "conmon_path", "cni_plugin_dir", "init_path")
_PLACES = ("static_dir", "tmp_dir")
_LONGEST = 63  # of a DNS label


def translated(entries: Iterable[Entry], warnings: list[str]) -> list[Entry]:
    """The entries as our own file would have them; unknown keys are left for the caller."""
    found = list(entries)
    by_path = any(entry.name == "runtime_path" and entry.value for entry in found)
    result: list[Entry] = []
    for entry in found:
        if entry.name in _EMPTY_IS_DEFAULT and not entry.value:
            continue
        if entry.name == "runtime" and by_path:
            warnings.append(f"{entry.origin}: runtime is not used: runtime_path is there too")
        elif entry.name == "runtime" and isinstance(entry.value, str):
            result += _default(entry, entry.value)
        elif entry.path[0] == "runtimes" and len(entry.path) == 2:
            result.append(_handler(entry, warnings))
        else:
            result.append(entry)
    return result


def without_roots_places(entries: Iterable[Entry], file: Path, warnings: list[str]) -> list[Entry]:
    """The entries of the machine's file as an ordinary user takes them: not its directories."""
    kept: list[Entry] = []
    for entry in entries:
        if entry.name in _PLACES and file.parts[1:2] in (("etc",), ("usr",)):
            warnings.append(f"{entry.origin}: {entry.name} is root's: users have their own places")
        else:
            kept.append(entry)
    return kept


def label(name: str) -> str:
    """A handler's name made of a program's: RuntimeClass wants a DNS label."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST].strip("-") or "runtime"


def _default(entry: Entry, value: str) -> list[Entry]:
    """`runtime`: the name of a runtime, or the path of one."""
    name = label(PurePath(value).name) if value else ""
    chosen = replace(entry, value=name)
    if not value.startswith("/"):
        return [chosen]
    return [Entry(("runtimes", name), [value], entry.origin), chosen]


def _handler(entry: Entry, warnings: list[str]) -> Entry:
    """[runtimes] NAME = [paths]; no paths: wherever $PATH has it."""
    name = entry.path[1]
    value: Any = entry.value
    if value == []:
        value = [f"{directory}/{name}" for directory in _PATH]
    if label(name) != name:
        warnings.append(f"{entry.origin}: runtime {name} is handler {label(name)} here")
    return replace(entry, path=("runtimes", label(name)), value=value)
