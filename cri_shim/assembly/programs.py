"""The programs, each found on its path list."""

import os
from dataclasses import dataclass
from pathlib import Path

from cri_shim.config import Config
from cri_shim.errors import ToolFailed
from cri_shim.oci.handlers import executable
from cri_shim.problems import Level
from cri_shim.problems import programs as problems


@dataclass(frozen=True, slots=True)
class Programs:
    """The paths of the programs."""

    conmon: Path
    skopeo: str  # "" if there is none: then archives and signed images cannot be used
    init: str  # "" if there is none: then pods cannot share a pid namespace


def find_programs(config: Config) -> Programs:
    """Find each on its path list.

    ToolFailed says how to get conmon, which is required, or names a conmon or skopeo that other
    users may change.
    """
    for finding in (problems.conmon(config), problems.skopeo(config)):
        if finding.level is Level.FAILS:
            raise ToolFailed(finding.text)
    skopeo = config.image.skopeo_path
    return Programs(
        conmon=executable("conmon", config.conmon_path),
        skopeo=str(executable("skopeo", skopeo)) if _is_there(skopeo) else "",
        init=find_init(config.init_path),
    )


def _is_there(candidates: tuple[str, ...]) -> bool:
    return any(os.access(candidate, os.X_OK) for candidate in candidates)


def find_init(candidates: tuple[str, ...]) -> str:
    """Return the path of the static init; "" if none of `candidates` can be used."""
    try:
        return str(executable("catatonit", candidates))
    except ToolFailed:  # it is one of the problems that are logged at the start
        return ""
