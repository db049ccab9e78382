"""registries.conf(5): the search registries of short image names, and an overview of the file.

skopeo itself reads everything else that matters for a pull (mirrors, blocked, insecure, locations),
but leaves the search of short names to its caller. Aliases are not supported on purpose: with a
distribution's alias file, the same pod could get different images on different nodes.

Both versions are read: the present one, and that of 2018 with its [registries.search] tables.

A registry on the loopback interface needs no entry to be used without TLS, as with containerd and
CRI-O: the traffic does not leave the node.
"""

import ipaddress
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.untrusted import NOWHERE, names, parse_toml, printable, read_file, reason

MAX_FILE = 1 << 20  # bytes
DEFAULT_FILE = Path("/etc/containers/registries.conf")
_KEY = "unqualified-search-registries"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Overview:
    """The content of the files, by registry or prefix of image names."""

    search: list[str]
    insecure: list[str]
    blocked: list[str]
    mirrors: dict[str, list[str]]
    files: list[str]  # the files that were read, the main one first
    problems: list[str]  # of files that could not be read


def search_registries(file: Path | None = None) -> list[str]:
    """Return the registries to try for a short name, in order; empty if none are configured.

    Drop-ins in `registries.conf.d` beside the file win over it; the last one in name order wins.
    """
    found = overview(file)
    for problem in found.problems:
        _log.warning("%s", problem)
    return found.search


def overview(file: Path | None = None) -> Overview:
    """Return the content of the file and its drop-ins; a file that cannot be read is a problem.

    A later file replaces the search list, and the tables of the same prefix, of earlier ones.
    """
    found = Overview([], [], [], {}, [], [])
    for prefix, table in _read(file, found).items():
        _enter(found, prefix, table)
    return found


def allows_plain(registry: str, file: Path | None = None) -> bool:
    """Return whether `registry` is on the loopback interface and no entry of the files is for it.

    skopeo knows the entries, but not that rule.
    """
    if not _on_loopback(registry):
        return False
    tables = _read(file, Overview([], [], [], {}, [], []))
    return all(prefix.partition("/")[0] != registry for prefix in tables)


def _on_loopback(registry: str) -> bool:
    host = re.sub(r":[0-9]+$", "", registry).strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(file: Path | None, found: Overview) -> Mapping[str, Mapping[str, Any]]:
    """Return the tables by their prefix; enter the search list, the files and their problems."""
    main = file or DEFAULT_FILE
    tables: dict[str, Mapping[str, Any]] = {}
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
        if (search := _search(document)) is not None:
            found.search[:] = search
        tables |= {_prefix(table): table for table in _tables(document)}
    return tables


def _drop_ins(directory: Path, problems: list[str]) -> list[Path]:
    try:
        return [directory / name for name in names(directory, (".conf",))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as e:
        problems.append(printable(f"{directory} is not used: {reason(e)}"))
        return []


def _enter(found: Overview, prefix: str, table: Mapping[str, Any]) -> None:
    if table.get("insecure") is True:
        found.insecure.append(prefix)
    if table.get("blocked") is True:
        found.blocked.append(prefix)
    mirrors = [_text(mirror.get("location")) for mirror in _dicts(table.get("mirror"))]
    if mirrors:
        found.mirrors[prefix] = mirrors


def _search(document: Mapping[str, Any]) -> list[str] | None:
    value = document.get(_KEY, _of_2018(document, "search"))
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else None


def _tables(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from _dicts(document.get("registry"))
    old: dict[str, dict[str, Any]] = {}
    for name, key in (("insecure", "insecure"), ("block", "blocked")):
        for registry in _of_2018(document, name) or ():
            old.setdefault(str(registry), {"location": str(registry)})[key] = True
    yield from old.values()


def _of_2018(document: Mapping[str, Any], name: str) -> list[Any] | None:
    """Return the list in [registries.NAME] registries = [...]."""
    value: Any = document
    for key in ("registries", name, "registries"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, list) else None


def _prefix(table: Mapping[str, Any]) -> str:
    return _text(table.get("prefix")) or _text(table.get("location"))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
