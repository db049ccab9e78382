"""What the node has for pods: programs, kernel, space. It is the same with and without a daemon."""

from collections.abc import Callable, Mapping
from pathlib import Path

from cri_shim.config import Config
from cri_shim.errors import CriShimError
from cri_shim.problems import kernel, places, programs
from cri_shim.problems.finding import Finding, Level
from cri_shim.store import registries


def look(config: Config) -> list[Finding]:
    """Return all findings, in the order of the table. Blocks; makes and executes nothing."""
    found: list[Finding] = []
    parts: Mapping[str, Callable[[], list[Finding]]] = {
        "kernel": kernel.look,
        "programs": lambda: programs.look(config),
        "places": lambda: places.look(config),
        "registries.conf": lambda: [registries_conf(config)],
    }
    for what, part in parts.items():
        try:
            found += part()
        except (CriShimError, OSError, ValueError) as e:  # a node may have any defect
            found.append(Finding(what, Level.WARNING, f"{what} could not be looked at: {e}"))
    return found


def registries_conf(config: Config) -> Finding:
    """The files that name registries and mirrors."""
    named = config.image.registries_conf
    found = registries.overview(Path(named) if named else None)
    key = "image.registries_conf"
    if found.problems:
        remedy = "correct the file; the rest of it is used"
        return Finding("registries.conf", Level.WARNING, "; ".join(found.problems), remedy, key=key)
    return Finding("registries.conf", Level.OK, ", ".join(found.files) or "none", key=key)
