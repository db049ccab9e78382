"""What a new configuration changes in a running one.

A key that needs a restart keeps its running value and origin, and is reported. So the running
configuration is always that of the process, and the next reload reports the key again.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cri_shim.config.keys import Key, When
from cri_shim.config.schema import (
    HANDLER_KEYS,
    KEYS,
    TABLES,
    Config,
    current,
    handler_values,
)


@dataclass(frozen=True, slots=True)
class Change:
    """A key whose value differs. None: the handler of this key is not configured."""

    key: str
    before: Any
    after: Any
    origin: str  # of the value after it
    when: When

    @property
    def applied(self) -> bool:
        """Whether a reload lets it take effect."""
        return self.when is not When.RESTART


def changes(running: Config, wanted: Config) -> tuple[Change, ...]:
    """Return the keys whose values differ, in the order of the schema; then handlers, sockets."""
    return (
        *_of_keys(running, wanted),
        *_of_handlers(running, wanted),
        *_of_sockets(running, wanted),
    )


def _of_keys(running: Config, wanted: Config) -> Iterator[Change]:
    for name, key in KEYS.items():
        before, after = current(running, key), current(wanted, key)
        if before != after:
            yield Change(name, before, after, wanted.origin.get(name, "default"), key.when)


def _of_handlers(running: Config, wanted: Config) -> Iterator[Change]:
    before, after = handler_values(running.runtimes), handler_values(wanted.runtimes)
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        if was != now and not _unset(was, now, name):
            origin = wanted.origin.get(name, "no longer configured")
            yield Change(name, was, now, origin, _handler_key(name).when)


def _unset(was: Any, now: Any, name: str) -> bool:
    """Whether a key of a handler that comes or goes has no value of its own."""
    default = _handler_key(name).default
    return None in (was, now) and default in (was, now) and not name.endswith(".path")


def _handler_key(name: str) -> Key:
    return HANDLER_KEYS[name.rpartition(".")[2]]


def _of_sockets(running: Config, wanted: Config) -> Iterator[Change]:
    if running.sockets != wanted.sockets:
        before, after = ([str(s.path) for s in each.sockets] for each in (running, wanted))
        yield Change("sockets", tuple(before), tuple(after), "the files", When.RESTART)


def merged(running: Config, wanted: Config) -> Config:
    """Return what runs after a reload: `wanted`, with the running values of restart keys."""
    kept = [key for key in KEYS.values() if key.when is When.RESTART]
    origin = dict(wanted.origin)
    fields: dict[str, dict[str, Any]] = {table: {} for table in ("", *TABLES)}
    for key in kept:
        fields[key.table][key.field] = current(running, key)
        origin[key.name] = running.origin.get(key.name, "default")
    tables = {
        table: dataclasses.replace(getattr(wanted, table), **fields[table]) for table in TABLES
    }
    return dataclasses.replace(
        wanted,
        **fields[""],
        **tables,
        sockets=running.sockets,
        origin=MappingProxyType(origin),
    )
