"""An overview of registries.conf(5), its search registries, and the rule for loopback.

A registry on the loopback interface needs no entry to be used without TLS, as with containerd and
CRI-O: the traffic does not leave the node.
"""

from dataclasses import dataclass
from pathlib import Path

from cri_shim.registry import registries_conf
from cri_shim.registry.names import on_loopback
from cri_shim.registry.registries_conf import DEFAULT_FILE, MAX_FILE

__all__ = ["DEFAULT_FILE", "MAX_FILE", "Overview", "overview", "search_registries"]


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
    """Return the registries to try for a short name, in order; empty if none are configured."""
    return registries_conf.read(file).search


def overview(file: Path | None = None) -> Overview:
    """Return the content of the file and its drop-ins; what cannot be used is a problem."""
    found = registries_conf.read(file)
    tables = found.tables.values()
    return Overview(
        found.search,
        [table.prefix for table in tables if table.insecure],
        [table.prefix for table in tables if table.blocked],
        {t.prefix: [mirror.location for mirror in t.mirrors] for t in tables if t.mirrors},
        found.files,
        found.problems,
    )


def allows_plain(registry: str, file: Path | None = None) -> bool:
    """Return whether `registry` is on the loopback interface and no entry of the files is for it.

    skopeo knows the entries, but not that rule.
    """
    if not on_loopback(registry):
        return False
    tables = registries_conf.read(file).tables
    return all(prefix.partition("/")[0] != registry for prefix in tables)
