"""The properties of this machine that matter for containers and their control groups."""

import hashlib
import logging
from pathlib import Path

from cri_shim.aio import descriptors
from cri_shim.config import Config, Server
from cri_shim.config.user import unprivileged_user
from cri_shim.engine import Paths
from cri_shim.isolation import delegated
from cri_shim.isolation.cgroup_names import PREFIX, Driver
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.isolation.no_cgroups import NoCgroups
from cri_shim.linux import process
from cri_shim.spec.host import Host

_log = logging.getLogger(__name__)


def cgroups(config: Config, paths: Paths) -> ControlGroups:
    if unprivileged_user() is not None:
        if config.cgroup_manager == "systemd":
            _log.warning(
                "cgroup_manager: for an unprivileged user it is cgroupfs, below its own group"
            )
        return delegated.found() or NoCgroups(paths.rootfs)
    return Cgroups(
        _cgroup_driver(config.cgroup_manager),
        name=_cgroup_name(paths.run_root),
        accounts=paths.run_root / "oom",
    )


def _cgroup_driver(configured: str) -> Driver:
    if configured == "auto":
        return "systemd" if Path("/run/systemd/system").is_dir() else "cgroupfs"
    return "systemd" if configured == "systemd" else "cgroupfs"


def _cgroup_name(run_root: Path) -> str:
    """Return the parent of all cgroups: a second instance on a machine has another one."""
    if run_root == Server().run_root:
        return PREFIX
    return f"{PREFIX}-{hashlib.sha256(bytes(run_root)).hexdigest()[:8]}"


def host(cgroups: ControlGroups) -> Host:
    bounding = process.own_bounding_caps()
    rootless = unprivileged_user() is not None
    # Root of a user namespace has the capability only inside it: it does not suffice here.
    can_raise = "CAP_SYS_RESOURCE" in process.own_effective_caps() and not rootless
    swap = Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
    return Host(
        cgroup_v2=cgroups.version() == 2,
        bounding=bounding,
        can_raise=can_raise,
        oom_score_adj=process.own_oom_score_adj(),
        swap_accounting=cgroups.version() == 2 or swap.exists(),
        hugepage_sizes=_hugepage_sizes() if "hugetlb" in cgroups.controllers() else frozenset(),
        rootless=rootless,
        limits=cgroups.usable,
        lacking=cgroups.lacking(),
        open_files=descriptors.for_children(),
    )


def _hugepage_sizes() -> frozenset[str]:
    """Return the sizes as the hugetlb controller writes them: 2MB, 1GB."""
    found: set[str] = set()
    for entry in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"):
        size = int(entry.name.removeprefix("hugepages-").removesuffix("kB"))
        mega, giga = size >> 10, size >> 20
        found.add(f"{giga}GB" if giga else f"{mega}MB" if mega else f"{size}KB")
    return frozenset(found)
