"""The runtime's report of itself: the effective configuration, and Info in the form of libpod's.

A part that cannot be read shows its error instead of its value; the other parts stay.

- `configuration`: the configuration as JSON
- `start`: the last line of a start
- `refused`: what a start would refuse in the files that the configuration names
- `audit`: whether the audit record is written
- `daemon`: the process, and whether it is ready
- `host`: the machine and its programs
- `parts`: the store, registries, networks, plugins, handlers and hooks; and how parts are gathered
"""

from pathlib import Path
from typing import Any

from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.oci.program_versions import Inventory
from cri_shim.report import audit, daemon, host, parts, start
from cri_shim.report.configuration import effective, in_force
from cri_shim.report.parts import Part, gathered

__all__ = ["audit", "effective", "in_force", "info", "start"]


async def info(
    engine: Engine, config: Config, conmon: Path, inventory: Inventory, problems: Part
) -> dict[str, Any]:
    """Return all that `cri-shim info` shows. `problems` returns the list of problems."""
    return await gathered(
        {
            "daemon": lambda: gathered(daemon.parts(engine, config)),
            "inProgress": engine.work.operations.facts,
            "host": lambda: gathered(host.parts(engine, conmon, inventory)),
            "store": lambda: gathered(parts.store(engine, config)),
            "registries": lambda: parts.registries(config),
            "networks": lambda: parts.networks(engine),
            "plugins": lambda: parts.plugins(engine),
            "handlers": lambda: parts.handlers(engine),
            "hooks": lambda: parts.hooks(engine),
            **({"nriPlugins": engine.plugins.facts} if engine.plugins.active else {}),
            "retries": engine.retries,
            "problems": problems,
        }
    )
