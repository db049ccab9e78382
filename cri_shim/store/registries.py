"""An overview of registries.conf(5), and its search registries of short image names."""

import logging
from dataclasses import dataclass
from pathlib import Path

from cri_shim.registry import registries_conf
from cri_shim.registry.registries_conf import DEFAULT_FILE, MAX_FILE

__all__ = ["DEFAULT_FILE", "MAX_FILE", "Overview", "overview", "search_registries"]

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
    """Return the registries to try for a short name, in order; empty if none are configured."""
    found = registries_conf.read(file)
    for problem in found.problems:
        _log.warning("%s", problem)
    return found.search


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
