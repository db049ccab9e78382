"""Sorts runtime handlers in the order of runtime_path.

A path in runtime_path belongs to the handler of its file name: /opt/bin/runc to `runc`. If
[runtimes] does not configure that handler, these are its paths. The first handler that works is the
default handler.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from cri_shim.config.libpod import label
from cri_shim.config.schema import HANDLER_KEYS, RuntimeTable


def in_order(
    handlers: Mapping[str, RuntimeTable], values: Mapping[str, Any], origin: dict[str, str]
) -> dict[str, RuntimeTable]:
    """Return all handlers, those of runtime_path first; unchanged if it has its default value."""
    if origin["runtime_path"] == "default":
        return dict(handlers)
    paths: dict[str, list[str]] = {}
    for path in values["runtime_path"]:
        paths.setdefault(label(PurePath(path).name), []).append(path)
    found: dict[str, RuntimeTable] = {}
    for name, own in paths.items():
        key = f"runtimes.{name}.path"
        if origin.get(key, "default") == "default":
            found[name] = replace(handlers.get(name, RuntimeTable()), path=tuple(own))
            for field in HANDLER_KEYS:
                origin.setdefault(f"runtimes.{name}.{field}", "default")
            origin[key] = f"runtime_path at {origin['runtime_path']}"
        else:
            found[name] = handlers[name]
    return found | {name: table for name, table in handlers.items() if name not in found}
