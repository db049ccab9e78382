"""The runtime's report of itself: the effective configuration, and Info in the form of libpod's.

A part that cannot be read shows its error instead of its value; the other parts stay.

- `start`: the last line of a start
- `refused`: what a start would refuse in the files that the configuration names
- `host`: the machine and its programs
- `parts`: the store, registries, networks, plugins, handlers and hooks; and how parts are gathered
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cri_shim import log
from cri_shim.config import Config
from cri_shim.config.schema import KEYS, current
from cri_shim.engine import Engine
from cri_shim.oci.program_versions import Inventory
from cri_shim.report import host, parts, start
from cri_shim.report.parts import Part, gathered
from cri_shim.version import __version__

__all__ = ["effective", "in_force", "info", "start"]


def effective(config: Config) -> dict[str, Any]:
    """Return the configuration as JSON-able values; CRI clients read the key `stateDir`."""
    return {**_plain(config), "stateDir": str(config.server.run_root)}


def in_force(config: Config) -> dict[str, Any]:
    """Return the value and the origin of every key, by its name in a file."""
    values = {name: _plain(current(config, key)) for name, key in KEYS.items()}
    values |= {f"runtimes.{name}.path": _plain(t.path) for name, t in config.runtimes.items()}
    return {"values": values, "origins": dict(config.origin), "pid": os.getpid()}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


async def info(
    engine: Engine, config: Config, conmon: Path, inventory: Inventory, problems: Part
) -> dict[str, Any]:
    """Return all that `cri-shim info` shows. `problems` returns the list of problems."""
    return await gathered(
        {
            "version": lambda: __version__,
            "logLevel": log.current_level,
            "inProgress": engine.work.operations.facts,
            "host": lambda: gathered(host.parts(engine, conmon, inventory)),
            "store": lambda: gathered(parts.store(engine, config)),
            "registries": lambda: parts.registries(config),
            "networks": lambda: parts.networks(engine),
            "plugins": lambda: parts.plugins(engine),
            "handlers": lambda: parts.handlers(engine),
            "hooks": lambda: parts.hooks(engine),
            "retries": engine.retries,
            "problems": problems,
        }
    )
