"""Containers without control groups, for an unprivileged user without delegated ones.

No limits are possible then. A group would also list the processes of a container and their usage.
/proc gives these instead: a container's processes are those in a mount namespace whose root is the
container's root file system. Groups have their usual names, for records; the last part is the id.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cri_shim.isolation import cgroup_names, hierarchies
from cri_shim.isolation.cgroup_stats import Detail, Memory, Meter, Usage
from cri_shim.isolation.cgroup_stats_v1 import MeterV1
from cri_shim.isolation.killing import kill_all
from cri_shim.linux import mounts
from cri_shim.linux.process import Use, use
from cri_shim.linux.process_handle import KILL_S

_MOST_BYTES = 1 << 20  # of a mount table; its root is among the first entries
_PARENT = f"/{cgroup_names.PREFIX}"
NOT_DELEGATED = (
    "this user has no control groups of its own: limits of CPU, memory, huge pages and processes"
    " are left out"
)


class NoCgroups:
    """Implements ControlGroups; methods that make, limit or remove groups do nothing."""

    def __init__(self, rootfs: Callable[[str], Path]) -> None:
        """`rootfs`: returns where the root file system of a container is mounted, by its id."""
        self.driver: cgroup_names.Driver = "cgroupfs"
        self.usable = False
        self.top = ""
        self.problem = NOT_DELEGATED
        self._rootfs = rootfs

    def version(self) -> int:
        """Return the version of the machine, though this user cannot use it."""
        return 2 if hierarchies.Hierarchies().v2_only() else 1

    def controllers(self) -> frozenset[str]:
        return frozenset()

    def lacking(self) -> frozenset[str]:
        return frozenset()

    def oci_path(self, parent: str, container_id: str) -> str:
        return cgroup_names.oci_path(self.driver, parent or _PARENT, container_id)

    def begin(self, oci_path: str) -> None:
        """Do nothing: kills are not counted."""

    def killed_for_memory(self, id: str, oci_path: str) -> bool | None:
        return None

    def memory_usage(self, oci_path: str) -> int | None:
        return None

    def file(self, oci_path: str, controller: str, v1: str, v2: str) -> Path | None:
        return None

    def meter(self) -> Meter:
        return _Meter(self._rootfs)

    def pids(self, oci_path: str) -> set[int]:
        """Return every process whose root is the container's."""
        return set(_Processes(self._rootfs).of(cgroup_names.directory(oci_path)))

    def frozen(self, oci_path: str) -> bool:
        return False

    async def thaw(self, oci_path: str) -> None:
        """Do nothing: no process is frozen."""

    async def empty(self, oci_path: str) -> None:
        await kill_all(oci_path, lambda: self.pids(oci_path), lambda: None, KILL_S)

    async def remove(self, oci_path: str) -> None:
        """Do nothing: there is no group."""

    def join_monitor(self, container_id: str, pid: int) -> None:
        """Do nothing: the monitor stays in its group."""

    async def remove_monitor(self, container_id: str) -> None:
        """Do nothing: there is no group."""

    def prune(self) -> None:
        """Do nothing: no group was made."""

    def warm_up(self) -> None:
        """Do nothing: no process is moved."""


class _Processes:
    """The processes in the containers' root file systems, found in one scan of /proc."""

    def __init__(self, rootfs: Callable[[str], Path]) -> None:
        self._rootfs = rootfs
        self._by_device: Mapping[str, list[int]] | None = None

    def of(self, group: str) -> list[int]:
        device = _device(self._rootfs(group.rpartition("/")[2]))
        if device is None:
            return []
        if self._by_device is None:
            self._by_device = _by_root()
        return self._by_device.get(device, [])


def _device(rootfs: Path) -> str | None:
    """Return MAJOR:MINOR of the mounted file system: an overlay has its own number."""
    if not mounts.is_mounted(rootfs):
        return None
    number = rootfs.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def _by_root() -> dict[str, list[int]]:
    """Return the pids in each root file system by device; other users' processes are not seen."""
    found: dict[str, list[int]] = {}
    roots: dict[str, str] = {}  # mount namespace -> device of its root
    for pid, namespace in _mount_namespaces():
        if namespace not in roots:
            roots[namespace] = _root_of(pid)
        found.setdefault(roots[namespace], []).append(pid)
    return found


def _mount_namespaces() -> Iterator[tuple[int, str]]:
    own = os.readlink("/proc/self/ns/mnt")  # noqa: PTH115
    with os.scandir("/proc") as entries:
        for entry in entries:
            if not entry.name.isdigit():
                continue
            try:
                namespace = os.readlink(f"/proc/{entry.name}/ns/mnt")  # noqa: PTH115
            except OSError:  # gone, a zombie, or not readable
                continue
            if namespace != own:
                yield int(entry.name), namespace


def _root_of(pid: int) -> str:
    try:
        with Path(f"/proc/{pid}/mountinfo").open("rb") as file:
            data = file.read(_MOST_BYTES)  # a container can make any number of mounts
    except OSError:
        return ""
    text = os.fsdecode(data[: data.rfind(b"\n") + 1])
    roots = [m.device for m in mounts.parse_mountinfo(text) if m.target == Path("/")]
    return roots[-1] if roots else ""


class _Meter:
    """The current usage of processes according to /proc; ended processes do not count."""

    def __init__(self, rootfs: Callable[[str], Path]) -> None:
        self._found = _Processes(rootfs)
        self._nothing = MeterV1({})

    def usage(self, group: str) -> Usage:
        uses = self._uses(group)
        if not uses:
            return self._nothing.usage(group)
        resident = sum(one.resident for one in uses)
        memory = Memory(
            usage=resident,
            inactive_file=0,
            rss=sum(one.anonymous for one in uses),
            faults=sum(one.faults for one in uses),
            major_faults=sum(one.major_faults for one in uses),
            limit=None,
        )
        cpu_ns = sum(one.cpu_ns for one in uses)
        return Usage(at=time.time_ns(), cpu_ns=cpu_ns, memory=memory, swap=None)

    def detail(self, group: str) -> Detail:
        return self._nothing.detail(group)

    def threads(self, group: str) -> int | None:
        return sum(one.threads for one in self._uses(group)) or None

    def block_bytes(self, group: str) -> None:
        """The bytes of processes that have ended are not known."""

    def processes(self, group: str) -> list[int]:
        return sorted(self._found.of(group))

    def _uses(self, group: str) -> list[Use]:
        return [found for pid in self._found.of(group) if (found := use(pid)) is not None]
