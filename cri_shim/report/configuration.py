"""The configuration as JSON-able values."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from cri_shim.config import Config
from cri_shim.config.schema import KEYS, current, handler_values


def effective(config: Config) -> dict[str, Any]:
    """Return the configuration as JSON-able values; CRI clients read the key `stateDir`."""
    return {**plain(config), "stateDir": str(config.server.run_root)}


def in_force(config: Config) -> dict[str, Any]:
    """Return the value and the origin of every key, by its name in a file."""
    values = {name: plain(current(config, key)) for name, key in KEYS.items()}
    values |= {name: plain(value) for name, value in handler_values(config.runtimes).items()}
    values["sockets"] = plain(config.sockets)
    return {"values": values, "origins": dict(config.origin), "pid": os.getpid()}


def plain(value: Any) -> Any:
    """Return a value of the configuration as a JSON-able value."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)
