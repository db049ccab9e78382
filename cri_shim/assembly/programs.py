"""The programs, each found on its path list."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from cri_shim.config import Config
from cri_shim.errors import ToolFailed
from cri_shim.oci.handlers import executable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Programs:
    """The paths of the programs."""

    conmon: Path
    skopeo: str  # "" if there is none: then archives and signed images cannot be used
    init: str  # "" if there is none: then pods cannot share a pid namespace


def find_programs(config: Config) -> Programs:
    """Find each on its path list.

    ToolFailed has the tried paths of conmon, which is required, or names a conmon or skopeo that
    other users may change.
    """
    return Programs(
        conmon=executable("conmon", config.conmon_path),
        skopeo=_skopeo(config.image.skopeo_path),
        init=_init(config.init_path),
    )


def _skopeo(candidates: tuple[str, ...]) -> str:
    if not any(os.access(candidate, os.X_OK) for candidate in candidates):
        tried = ", ".join(candidates)
        _log.info(
            "no skopeo found; tried: %s: images are pulled without it, but not loaded or saved",
            tried,
        )
        return ""
    return str(executable("skopeo", candidates))


def _init(candidates: tuple[str, ...]) -> str:
    try:
        return str(executable("catatonit", candidates))
    except ToolFailed as e:
        _log.warning("%s: pods cannot share a pid namespace", e)
        return ""
