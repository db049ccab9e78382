"""registries.conf(5): search registries, aliases, locations, mirrors, and what is blocked.

Both versions are read: the present one, and that of 2018 with its [registries.search] tables.
Drop-ins in `registries.conf.d` beside the file win over it, later names over earlier ones. They
replace single settings, the tables of the same prefix, and single aliases. The aliases that podman
records after a question at a terminal are not read: they belong to the person who was asked.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cri_shim.registry.failure import Failure
from cri_shim.untrusted import NOWHERE, names, parse_toml, printable, read_file, reason

MAX_FILE = 1 << 20  # bytes
DEFAULT_FILE = Path("/etc/containers/registries.conf")
MODES = ("enforcing", "permissive", "disabled")  # of short-name-mode
PULLS = ("all", "digest-only", "tag-only")  # of pull-from-mirror
_SEARCH = "unqualified-search-registries"
_MODE = "short-name-mode"
_FROM = "pull-from-mirror"


@dataclass(frozen=True, slots=True)
class Mirror:
    location: str
    insecure: bool = False
    pulls: str = "all"

    def serves(self, by_digest: bool) -> bool:
        return self.pulls in ("all", "digest-only" if by_digest else "tag-only")


@dataclass(frozen=True, slots=True)
class Table:
    """A [[registry]] table. An empty location means that names are not rewritten."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()


@dataclass(slots=True)
class Registries:
    """The content of the files; what could not be used is a sentence in `problems`."""

    search: list[str] = field(default_factory=list)
    mode: str = "permissive"
    aliases: dict[str, str] = field(default_factory=dict)
    helpers: list[str] = field(default_factory=list)  # credential-helpers
    tables: dict[str, Table] = field(default_factory=dict)  # by prefix
    files: list[str] = field(default_factory=list)  # that were read, the main one first
    problems: list[str] = field(default_factory=list)


def read(file: Path | None = None) -> Registries:
    """Return the content of the file and its drop-ins."""
    found = Registries()
    main = file or default_file()
    for source in [main, *_drop_ins(main.with_name(f"{main.name}.d"), found.problems)]:
        try:
            document = parse_toml(read_file(source, MAX_FILE))
        except FileNotFoundError:
            if source.is_symlink():
                found.problems.append(f"{source} is not used: {NOWHERE}")
            continue
        except (OSError, ValueError) as e:
            found.problems.append(printable(f"{source} is not used: {reason(e)}"))
            continue
        found.files.append(str(source))
        _Reader(str(source), document, found).enter()
    return found


def registries(file: Path | None) -> Registries:
    """Like `read`; Failure if any of it cannot be used: it may block or redirect."""
    conf = read(file)
    if conf.problems:
        raise Failure("argument", f"{'; '.join(conf.problems)}: correct it, then try again")
    return conf


def default_file() -> Path:
    """Return the user's own file if there is one, else that of the system."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path(os.environ.get("HOME") or "/root", ".config")
    own = Path(config, "containers/registries.conf")
    return own if os.path.lexists(own) else DEFAULT_FILE


def _drop_ins(directory: Path, problems: list[str]) -> list[Path]:
    try:
        return [directory / name for name in names(directory, (".conf",))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as e:
        problems.append(printable(f"{directory} is not used: {reason(e)}"))
        return []


class _Reader:
    """Enters one file into the result."""

    def __init__(self, source: str, document: Mapping[str, Any], found: Registries) -> None:
        self._source = source
        self._document = document
        self._found = found

    def enter(self) -> None:
        found, document = self._found, self._document
        old = self._get(document, "registries", dict)
        if old and document.get("registry"):
            self._problem("has tables of both versions: only [[registry]] is used")
        search = self._get(document, _SEARCH, list)
        if search is None:
            search = self._of_2018(old, "search")
        if search is not None:
            found.search[:] = self._strings(search, _SEARCH)
        found.mode = self._choice(document, _MODE, MODES, found.mode)
        helpers = self._get(document, "credential-helpers", list)
        if helpers is not None:
            found.helpers[:] = self._strings(helpers, "credential-helpers")
        for name, value in (self._get(document, "aliases", dict) or {}).items():
            self._alias(name, value)
        tables = [*self._tables(document)] or [*self._tables_of_2018(old)]
        found.tables |= {table.prefix: table for table in tables}

    def _alias(self, name: str, value: object) -> None:
        if not isinstance(value, str):
            self._problem(f"the alias {name!r} is not text")
        elif value:
            self._found.aliases[name] = value
        else:
            self._found.aliases.pop(name, None)

    def _tables(self, document: Mapping[str, Any]) -> Iterable[Table]:
        for table in self._dicts(document, "registry"):
            location = self._location(table, "location")
            prefix = self._location(table, "prefix") or location
            if not prefix or (not location and not prefix.startswith("*.")):
                self._problem("a [[registry]] table has no location")
                continue
            by_digest = self._flag(table, "mirror-by-digest-only")
            yield Table(
                prefix,
                location if location != prefix else "",
                self._flag(table, "insecure"),
                self._flag(table, "blocked"),
                tuple(self._mirrors(table, by_digest)),
            )

    def _mirrors(self, table: Mapping[str, Any], by_digest: bool) -> Iterable[Mirror]:
        for mirror in self._dicts(table, "mirror"):
            location = self._location(mirror, "location")
            pulls = self._choice(mirror, _FROM, PULLS, "digest-only" if by_digest else "all")
            if not location:
                self._problem("a mirror has no location")
                continue
            if by_digest and mirror.get(_FROM):
                self._problem(f"{_FROM} and mirror-by-digest-only exclude each other")
            yield Mirror(location, self._flag(mirror, "insecure"), pulls)

    def _tables_of_2018(self, old: Mapping[str, Any] | None) -> Iterable[Table]:
        insecure = self._strings(self._of_2018(old, "insecure") or [], "insecure")
        blocked = self._strings(self._of_2018(old, "block") or [], "block")
        for name in dict.fromkeys([*insecure, *blocked]):
            yield Table(name, "", name in insecure, name in blocked)

    def _of_2018(self, old: Mapping[str, Any] | None, name: str) -> list[Any] | None:
        """Return the list in [registries.NAME] registries = [...]."""
        table = self._get(old or {}, name, dict) or {}
        value: list[Any] | None = self._get(table, "registries", list)
        return value

    def _get(self, table: Mapping[str, Any], key: str, kind: type) -> Any:
        value = table.get(key)
        if value is None or isinstance(value, kind):
            return value
        self._problem(f"{key} is not a {_NAMES[kind]}")
        return None

    def _flag(self, table: Mapping[str, Any], key: str) -> bool:
        return bool(self._get(table, key, bool))

    def _choice(
        self, table: Mapping[str, Any], key: str, values: tuple[str, ...], default: str
    ) -> str:
        value = self._get(table, key, str)
        if value and value not in values:
            self._problem(f"{key} is {value!r}, not one of {', '.join(values)}")
        return value if value in values else default

    def _location(self, table: Mapping[str, Any], key: str) -> str:
        value: str = self._get(table, key, str) or ""
        if "://" in value:
            self._problem(f"{key} {value!r} must not have a scheme: write host[:port][/path]")
        return value.rstrip("/")

    def _dicts(self, table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        values = self._get(table, key, list) or []
        if not all(isinstance(value, dict) for value in values):
            self._problem(f"{key} is not a list of tables")
        return [value for value in values if isinstance(value, dict)]

    def _strings(self, values: list[Any], what: str) -> list[str]:
        if not all(isinstance(value, str) for value in values):
            self._problem(f"{what} has a value that is not text")
        return [value for value in values if isinstance(value, str)]

    def _problem(self, text: str) -> None:
        self._found.problems.append(printable(f"{self._source}: {text}"))


_NAMES = {list: "list", dict: "table", str: "string", bool: "boolean (true or false)"}
