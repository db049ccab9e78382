"""Limits that depend on the node: they are refused in words where it cannot keep them."""

import re
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.config import Config
from cri_shim.config.source import place
from cri_shim.config.user import unprivileged_user
from cri_shim.errors import ConfigError, CriShimError
from cri_shim.linux import project_quota
from cri_shim.oci.conmon import TOTAL_SINCE
from cri_shim.oci.program_versions import Inventory

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


async def refuse_unsupported(config: Config, conmon: Path, root: Path) -> None:
    """Raise ConfigError for a limit of logs or of writable layers that this node cannot keep.

    `root` is the directory below which writable layers are.
    """
    if config.containers.max_log_total > 0:
        key = "containers.max_log_total"
        _refuse(config, key, await _without_total(conmon))
    if config.containers.layer_quota > 0:
        _refuse(config, "containers.layer_quota", await offload(_without_quota, root))


def _refuse(config: Config, key: str, problem: str) -> None:
    if problem:
        raise ConfigError(f"{place(config.origin.get(key, 'default'), key)}: {problem}")


async def _without_total(conmon: Path) -> str:
    """Return why conmon cannot limit all that a container logs; "" if it can."""
    needed = ".".join(map(str, TOTAL_SINCE))
    try:
        told = await Inventory().version(conmon)
    except (CriShimError, OSError) as e:
        return f"conmon {needed} is needed, and the version of {conmon} is not known: {e}"
    found = _VERSION.search(told)
    if found is not None and tuple(map(int, found.groups())) >= TOTAL_SINCE:
        return ""
    return f"{told} at {conmon} has no such limit: install conmon {needed} or newer, or set -1"


def _without_quota(root: Path) -> str:
    if unprivileged_user() is not None:
        return "an unprivileged user cannot limit projects of a file system: set it to 0"
    try:
        return project_quota.problem(root)
    except OSError as e:
        return f"{root}: {e.strerror}"
