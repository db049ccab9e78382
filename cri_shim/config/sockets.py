"""Builds the tables of [[sockets]], each from the entries of one table of one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cri_shim.config.failures import Failures
from cri_shim.config.keys import Key
from cri_shim.config.schema import SOCKET_KEYS, SocketTable
from cri_shim.config.source import SOCKETS, Entry
from cri_shim.config.values import converted

MOST = 16  # sockets; each has connections of its own

_TABLE, _KEY = 2, 3  # parts of the path of a table, and of a key of it


def is_one(entry: Entry) -> bool:
    """Whether an entry belongs to [[sockets]]."""
    return entry.path[0] == SOCKETS and not entry.is_flag


def key_of(entry: Entry) -> Key | None:
    """Return the key of an entry of a table; None if there is no such key."""
    return SOCKET_KEYS.get(entry.path[2]) if len(entry.path) == _KEY else None


def is_empty_table(entry: Entry) -> bool:
    """Whether an entry stands for a [[sockets]] without any key."""
    return is_one(entry) and len(entry.path) == _TABLE and entry.value == {}


def tables(
    entries: Sequence[Entry], main: Path | None, failures: Failures
) -> tuple[SocketTable, ...]:
    """Build the tables in the order of the files. `main` is the socket without a role.

    None: the command line names a socket, which may be one with a role, for a command.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        file = entry.origin.rpartition(":")[0]
        groups.setdefault((file, entry.path[1]), []).append(entry)
    found: dict[Path, SocketTable] = {}
    for group in groups.values():
        with failures.collected():
            table = SocketTable(**{e.path[2]: _value(e) for e in group if len(e.path) == _KEY})
            if problem := _problem(table, found, main):
                failures.add(f"{_path_origin(group)}: sockets.path: {problem}")
            found[table.path] = table
    if len(found) > MOST:
        failures.add(f"[[sockets]]: there are {len(found)}; {MOST} are allowed")
    return tuple(found.values())


def _value(entry: Entry) -> Any:
    key = key_of(entry)
    assert key is not None
    return converted(key, Entry((SOCKETS, key.field), entry.value, entry.origin))


def _problem(table: SocketTable, others: Mapping[Path, SocketTable], main: Path | None) -> str:
    if table.path == Path():
        return "it must be set"
    if table.path == main:
        return f"{main} is server.socket, which has no role"
    return f"{table.path} is in an earlier [[sockets]]" if table.path in others else ""


def _path_origin(group: Sequence[Entry]) -> str:
    own = [entry for entry in group if entry.path[-1] == "path"]
    return (own or group)[0].origin
