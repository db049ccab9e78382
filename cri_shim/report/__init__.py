"""What the runtime tells of itself: the effective configuration, and Info as libpod's was.

A part that cannot be read is shown with its error in its place; it never loses the rest.

- `host`: the machine and its programs; `parts`: what there is in the store and beside it
- `gather`: how facts are put together
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.oci.program_versions import Inventory
from cri_shim.report import host, parts
from cri_shim.report.gather import Part, gathered
from cri_shim.version import __version__


def effective(config: Config) -> dict[str, Any]:
    """The configuration as JSON-able values; `stateDir` is where CRI clients look for it."""
    return {**_plain(config), "stateDir": str(config.server.run_root)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


async def info(
    engine: Engine, config: Config, conmon: Path, inventory: Inventory, warnings: Part
) -> dict[str, Any]:
    """Host, store, registries, networks and all else that `cri-shim info` shows.

    `warnings` are about the set-up of the node.
    """
    return await gathered(
        {
            "version": lambda: __version__,
            "host": lambda: gathered(host.parts(engine, conmon, inventory)),
            "store": lambda: gathered(parts.store(engine, config)),
            "registries": lambda: parts.registries(config),
            "networks": lambda: parts.networks(engine),
            "plugins": lambda: parts.plugins(engine),
            "handlers": lambda: parts.handlers(engine),
            "hooks": lambda: parts.hooks(engine),
            "retries": engine.retries,
            "warnings": warnings,
        }
    )
