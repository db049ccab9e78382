"""Reads the configuration files in their order and builds a `Config` of their entries."""

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cri_shim import untrusted
from cri_shim.config import absent, foreign, sockets, user
from cri_shim.config.failures import Failures
from cri_shim.config.handlers import in_order
from cri_shim.config.keys import Key
from cri_shim.config.libpod import translated, without_roots_places
from cri_shim.config.schema import (
    HANDLER_KEYS,
    KEYS,
    SOCKET_KEYS,
    TABLES,
    Config,
    RuntimeTable,
    handler_values,
)
from cri_shim.config.source import Entry, place, read_file, read_flags
from cri_shim.config.values import converted, derive
from cri_shim.errors import ConfigError
from cri_shim.untrusted import printable

_MOST_HANDLERS = 32  # each is tested at the start
_HANDLER_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RuntimeClass: a DNS label


@dataclass(frozen=True, slots=True)
class Places:
    """The places of configuration files; tests use other ones.

    An unprivileged user has its own places: /etc/cri-shim is for root's daemon.
    """

    own: Path = field(default_factory=lambda: _own_places() / "config.toml")
    drop_ins: Path = field(default_factory=lambda: _own_places() / "config.d")
    libpod: tuple[Path, ...] = field(
        default_factory=lambda: _libpod_places(user.unprivileged_user() or 0)
    )


def _own_places() -> Path:
    uid = user.unprivileged_user()
    return Path("/etc/cri-shim") if uid is None else user.config_directory(uid)


def _libpod_places(uid: int) -> tuple[Path, ...]:
    """Return libpod's search order: for an unprivileged user, its own file comes first."""
    system = (Path("/etc/containers/libpod.conf"), Path("/usr/share/containers/libpod.conf"))
    home = os.environ.get("HOME", "")
    return (Path(home, ".config/containers/libpod.conf"), *system) if uid and home else system


def load(
    path: Path | None = None,
    overrides: Mapping[str, str] = MappingProxyType({}),
    places: Places | None = None,
) -> Config:
    """Read the configuration; `overrides` maps dotted keys to the text of flags.

    Raises ConfigError with file, line and key; ConfigErrors if there are several. Harmless
    problems, like a libpod key that cri-shim does not have, are in `Config.warnings`.
    """
    places = places or Places()
    warnings: list[str] = []
    failures = Failures()
    entries = _main_entries(path, places, warnings, failures)
    with failures.collected():
        for drop_in in _drop_ins(places.drop_ins):
            with failures.collected():
                entries += _checked(read_file(drop_in), failures)
    entries += _checked(read_flags(overrides), failures)
    return _build(entries, warnings, failures)


def _main_entries(
    path: Path | None, places: Places, warnings: list[str], failures: Failures
) -> list[Entry]:
    main, is_libpod = _main_file(path, places)
    if main is None:
        return []
    read: list[Entry] = []
    with failures.collected():
        read = read_file(main)
    if is_libpod:
        if path is None and user.unprivileged_user() is not None:
            read = without_roots_places(read, main, warnings)
        return _checked(translated(read, warnings), warnings)
    if problem := foreign.of_keys(main, {entry.path[0] for entry in read}):
        failures.add(problem)
        return []
    return _checked(read, failures)


def _drop_ins(directory: Path) -> list[Path]:
    if not os.path.lexists(directory):
        return []
    try:
        return [directory / name for name in untrusted.names(directory, (".toml",))]
    except (OSError, ValueError) as e:
        raise ConfigError(f"cannot read {directory}: {untrusted.reason(e)}") from e


def _main_file(path: Path | None, places: Places) -> tuple[Path | None, bool]:
    if path is not None:
        return path, path.name == "libpod.conf"
    if os.path.lexists(places.own):  # a dangling link is an error, not a missing file
        return places.own, False
    return next((p for p in places.libpod if p.exists()), None), True


def _checked(entries: Iterable[Entry], unknown: Failures | list[str]) -> list[Entry]:
    """Return the entries with known keys; an unknown key is a failure, or a warning of a list."""
    known: list[Entry] = []
    for entry in entries:
        if entry.value == {} and entry.name in (*TABLES, "runtimes"):
            continue
        if sockets.is_empty_table(entry):
            known.append(entry)
            continue
        if _key_of(entry) is not None:
            known.append(entry)
        elif isinstance(unknown, list):
            unknown.append(f"{entry.origin}: key {_shown(entry.name)} means nothing to cri-shim")
        else:
            problem = "unknown key" if entry.is_flag else f"unknown key {_shown(entry.name)}"
            unknown.add(f"{entry.origin}: {problem}{_suggestion(entry)}")
    return known


def _key_of(entry: Entry) -> Key | None:
    if sockets.is_one(entry):
        return sockets.key_of(entry)
    if entry.path[0] != "runtimes":
        return KEYS.get(entry.name)
    if len(entry.path) not in (2, 3):
        return None
    return HANDLER_KEYS.get(entry.path[2] if len(entry.path) == 3 else "path")


def _suggestion(entry: Entry) -> str:
    if reason := absent.reason(entry.name):
        return f": {reason}"
    if sockets.is_one(entry):
        near = difflib.get_close_matches(entry.path[-1], SOCKET_KEYS, n=1)
        keys = f"; keys of [[sockets]] are {', '.join(SOCKET_KEYS)}"
        return f"; did you mean {near[0]}?" if near else keys
    valid = [*KEYS, *(f"runtimes.{name}.{k}" for name in entry.path[1:2] for k in HANDLER_KEYS)]
    near = difflib.get_close_matches(entry.name, valid, n=1)
    if not near:  # right name, wrong table
        short = {name.rpartition(".")[2]: name for name in valid}
        near = [short[s] for s in difflib.get_close_matches(entry.path[-1], short, n=1)]
    if near:
        return f"; did you mean {near[0]}?"
    if (table := entry.path[0]) in TABLES:
        here = [k.name for k in KEYS.values() if k.name.startswith(f"{table}.")]
        return f"; keys of [{table}] are {', '.join(here)}"
    sections = ", ".join(f"[{name}]" for name in TABLES)
    return (
        f"; sections are {sections}, [runtimes.NAME] and [[sockets]]: see `cri-shim config --docs`"
    )


def _build(entries: Iterable[Entry], warnings: list[str], failures: Failures) -> Config:
    """Build the configuration; what depends on several keys is checked if each of them is right."""
    values = {k.name: k.default for k in KEYS.values()}
    origin = dict.fromkeys(KEYS, "default")
    handlers = dict(Config().runtimes)
    origin |= dict.fromkeys(handler_values(handlers), "default")
    entries = list(entries)
    for entry in entries:
        if not sockets.is_one(entry):
            with failures.collected():
                _enter(entry, values, origin, handlers)
    failures.refuse()
    if len(handlers) > _MOST_HANDLERS:
        failures.add(f"runtimes: there are {len(handlers)}; {_MOST_HANDLERS} are allowed")
    with failures.collected():
        derive(values, origin)
    with failures.collected():
        _check_needs(values, origin)
    main = None if origin["server.socket"].startswith("flag ") else values["server.socket"]
    further = sockets.tables([e for e in entries if sockets.is_one(e)], main, failures)
    handlers = in_order(handlers, values, origin)
    for name, table in handlers.items():
        if not table.path:
            failures.add(_without_path(name, origin))
    if (chosen := values["runtime"]) and chosen not in handlers:
        known = ", ".join(sorted(handlers))
        where = place(origin["runtime"], "runtime")
        failures.add(f"{where}: no [runtimes.{chosen}]; known: {known}")
    failures.refuse()
    return dataclasses.replace(_assembled(values, handlers, origin, warnings), sockets=further)


def _enter(
    entry: Entry, values: dict[str, Any], origin: dict[str, str], handlers: dict[str, RuntimeTable]
) -> None:
    """Enter one setting. ConfigError."""
    entry_key = _key_of(entry)
    assert entry_key is not None
    value = converted(entry_key, entry)
    if entry_key is HANDLER_KEYS.get(entry_key.field):
        name = _handler_name(entry)
        if name not in handlers:
            handlers[name] = RuntimeTable()
            origin.update(dict.fromkeys(handler_values({name: handlers[name]}), "default"))
        handlers[name] = dataclasses.replace(handlers[name], **{entry_key.field: value})
        origin[f"runtimes.{name}.{entry_key.field}"] = entry.origin
    else:
        values[entry_key.name] = value
        origin[entry_key.name] = entry.origin


def _without_path(name: str, origin: Mapping[str, str]) -> str:
    """Return the failure of a handler that has other keys, but no program."""
    set_at = next(
        origin[f"runtimes.{name}.{field}"]
        for field in HANDLER_KEYS
        if origin[f"runtimes.{name}.{field}"] != "default"
    )
    return f"{set_at}: runtimes.{name}.path: must name at least one path"


# Keys that need another key: a certificate and its key need each other.
_NEEDS = (
    ("streaming.tls_cert_file", "streaming.tls_key_file"),
    ("streaming.tls_key_file", "streaming.tls_cert_file"),
    ("metrics.tls_cert_file", "metrics.tls_key_file"),
    ("metrics.tls_key_file", "metrics.tls_cert_file"),
    ("metrics.tls_client_ca_file", "metrics.tls_cert_file"),
)


def _check_needs(values: Mapping[str, Any], origin: Mapping[str, str]) -> None:
    """Check that keys that need each other are all set."""
    for key, other in _NEEDS:
        if values[key] and not values[other]:
            raise ConfigError(f"{place(origin[key], key)}: {other} must be set, too")


def _assembled(
    values: Mapping[str, Any],
    handlers: Mapping[str, RuntimeTable],
    origin: Mapping[str, str],
    warnings: Iterable[str],
) -> Config:
    parts: dict[str, dict[str, Any]] = {table: {} for table in ("", *TABLES)}
    for k in KEYS.values():
        parts[k.table][k.field] = values[k.name]
    tables = {name: owner(**parts[name]) for name, owner in TABLES.items()}
    return dataclasses.replace(
        Config(**parts[""], **tables),
        runtimes=MappingProxyType(dict(handlers)),
        origin=MappingProxyType(dict(origin)),
        warnings=tuple(warnings),
    )


def _handler_name(entry: Entry) -> str:
    name = entry.path[1]
    if not _HANDLER_NAME.fullmatch(name):
        problem = f"runtimes.{_shown(name)}: a handler's name must be a DNS label"
        raise ConfigError(f"{entry.origin}: {problem}")
    return name


def _shown(name: str) -> str:
    return printable(name, 200)
