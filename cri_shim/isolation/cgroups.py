"""Control groups of containers and of their monitors.

The OCI runtime makes and limits a container's group; this module names, reads, empties and removes
it. The monitors (conmon) get their own groups, so that the end and the limits of the daemon's
service do not affect them.
"""

import asyncio
import errno
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.isolation import cgroup_names, hierarchies
from cri_shim.isolation.cgroup_stats import Meter
from cri_shim.isolation.cgroup_stats_v1 import MeterV1
from cri_shim.isolation.cgroup_stats_v2 import MeterV2
from cri_shim.isolation.killing import kill_all
from cri_shim.isolation.oom_kills import OomKills
from cri_shim.linux.process_handle import KILL_S

# The hierarchies that connect a monitor with the daemon's service: its end, its memory limit and
# its limit of processes. Each further hierarchy would cost 0.25 ms a start.
_MONITOR_IN = frozenset({"name=systemd", "memory", "pids"})
BUSY_S = 1.0  # rmdir is retried: a group is busy until the kernel has reaped its last process
_BUSY_STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class Delegation:
    """The groups that were delegated to an unprivileged user."""

    top: str  # the group below which the user can make groups
    controllers: frozenset[str]  # controllers with which the user can limit
    lacking: frozenset[str]  # further controllers that containers would need

    def problem(self) -> str:
        lacking = ", ".join(sorted(self.lacking))
        return f"not delegated to this user, and so not limited: {lacking}" if lacking else ""


class Cgroups:
    """The trees, by the rules of one driver.

    A method that is not a coroutine takes 1 ms or less, except `warm_up`, whose purpose is to wait.
    """

    def __init__(
        self,
        driver: cgroup_names.Driver,
        *,
        name: str = cgroup_names.PREFIX,
        accounts: Path | None = None,
        delegation: Delegation | None = None,
    ) -> None:
        """`name` is this instance's name: two daemons on a machine have different parents.

        `accounts` is a directory for the record of kills for lack of memory: see oom_kills.
        `delegation`: all groups are made below a group that was delegated to an unprivileged user.
        """
        self.driver: cgroup_names.Driver = driver
        self.usable = True
        self.top = "" if delegation is None else delegation.top
        self.problem = "" if delegation is None else delegation.problem()
        self._delegation = delegation
        self.default_parent = cgroup_names.default_parent(driver, name)
        self.monitor_parent = cgroup_names.monitor_parent(driver, name)
        self._trees = hierarchies.Hierarchies()
        self._kills = OomKills(accounts) if driver == "systemd" and accounts is not None else None

    def version(self) -> int:
        """Return 1 or 2: the version that has the resource controllers."""
        return 2 if self._trees.v2_only() else 1

    def controllers(self) -> frozenset[str]:
        """Return the resource controllers that can limit containers."""
        given = self._delegation
        return self._trees.controllers() if given is None else given.controllers

    def lacking(self) -> frozenset[str]:
        """Return the controllers whose limits must be left out."""
        return frozenset() if self._delegation is None else self._delegation.lacking

    def oci_path(self, parent: str, container_id: str) -> str:
        """Return the OCI `cgroupsPath` below the kubelet's `parent`, or for ""; see cgroup_names.

        With a delegation it is below the delegated group: the kubelet's parent is a path of the
        whole machine.
        """
        if self.top and parent and not f"{parent}/".startswith(f"{self.top}/"):
            parent = f"{self.top}/{parent.lstrip('/')}"
        return cgroup_names.oci_path(self.driver, parent or self.default_parent, container_id)

    def pids(self, oci_path: str) -> set[int]:
        """Return every process in the group or below it, in any hierarchy."""
        found: set[int] = set()
        for group in self._groups(oci_path):
            found |= hierarchies.processes(group)
        return found

    async def empty(self, oci_path: str, limit_s: float = KILL_S) -> None:
        """Kill all processes in the group and below it, and return when all have ended.

        Raises TimedOut naming the processes that did not end within `limit_s` seconds.
        """
        for group in self._groups(oci_path):
            with suppress(OSError):  # v1 does not have this file, nor does Linux before 5.14
                (group / "cgroup.kill").write_text("1")

        def thaw() -> None:
            if not self._trees.v2_only():  # on v2 SIGKILL ends a frozen process
                self._thaw(oci_path)

        await kill_all(oci_path, lambda: self.pids(oci_path), thaw, limit_s)

    def frozen(self, oci_path: str) -> bool:
        """Return whether every process of the group is frozen now; a freeze may take time."""
        file = self.file(oci_path, "freezer", "freezer.state", "cgroup.events")
        try:
            text = "" if file is None else file.read_text()
        except OSError:
            return False  # no such group
        return text == "FROZEN\n" or "frozen 1\n" in text

    async def thaw(self, oci_path: str) -> None:
        """Thaw the processes of the group and of all groups below it.

        Success if they are not frozen, or if there is no such group.
        """
        await offload(self._thaw, oci_path)

    def _thaw(self, oci_path: str) -> None:
        freezer = self._trees.holding("freezer")
        if freezer is None:
            return
        name, word = ("cgroup.freeze", "0") if freezer.v2 else ("freezer.state", "THAWED")
        for group in hierarchies.tree(freezer.group(cgroup_names.directory(oci_path))):
            with suppress(OSError):
                (group / name).write_text(word)

    async def remove(self, oci_path: str) -> None:
        """Remove the remains of the group in every hierarchy, groups below it first.

        Idempotent. Every hierarchy is tried; raises OSError for one that still has processes.
        """
        await _remove(cgroup_names.directory(oci_path), self._trees.all())

    def oom_count(self, oci_path: str) -> int | None:
        """Return how many processes of the group the kernel has killed for lack of memory.

        None if the kernel does not count them (before Linux 4.13), or if the group is gone.
        """
        return _keyed(
            self.file(oci_path, "memory", "memory.oom_control", "memory.events"), "oom_kill"
        )

    def begin(self, oci_path: str) -> None:
        """Note that a container is about to be made in the group."""
        if self._kills is not None and self._trees.v2_only():
            self._kills.begin(self._groups(oci_path)[0])

    def killed_for_memory(self, id: str, oci_path: str) -> bool | None:
        """Return whether the kernel has killed a process of the ended container for lack of memory.

        Call it once for every container that ends, for any reason. None: not known.
        """
        if self._kills is not None and self._trees.v2_only():
            return self._kills.ended(id, self._groups(oci_path)[0])
        counted = self.oom_count(oci_path)
        return None if counted is None else counted > 0

    def memory_usage(self, oci_path: str) -> int | None:
        """Return the bytes charged to the group now; None if there is no such group."""
        file = self.file(oci_path, "memory", "memory.usage_in_bytes", "memory.current")
        try:
            return None if file is None else int(file.read_text())
        except OSError:
            return None

    def file(self, oci_path: str, controller: str, v1: str, v2: str) -> Path | None:
        """Return the path of a group's file, by its v1 or v2 name; None without the controller."""
        tree = self._trees.holding(controller)
        if tree is None:
            return None
        return tree.group(cgroup_names.directory(oci_path)) / (v2 if tree.v2 else v1)

    def meter(self) -> Meter:
        """Return a reader of usage for the trees as they are mounted now."""
        trees = self._trees.all()
        if self._trees.v2_only():
            return MeterV2(str(next(tree.mount for tree in trees if tree.v2)))
        return MeterV1({name: str(tree.mount) for tree in trees for name in tree.controllers})

    def join_monitor(self, container_id: str, pid: int) -> None:
        """Put a monitor that has not executed its program yet into its own group.

        This skips hierarchies where the daemon is in the root group: the root has no limit, and its
        end cannot end the monitor. Raises OSError.
        """
        relative = self._monitor(container_id)
        own = self._trees.own_groups()
        for tree in self._trees.all():
            if own.get(tree.named(), "/") == "/" or not _has_monitors(tree):
                continue
            group = tree.group(relative)
            group.mkdir(parents=True, exist_ok=True)
            (group / "cgroup.procs").write_text(str(pid))

    async def remove_monitor(self, container_id: str) -> None:
        """Remove the group of an ended monitor. Idempotent; OSError (EBUSY) if it still runs."""
        trees = [tree for tree in self._trees.all() if _has_monitors(tree)]
        await _remove(self._monitor(container_id), trees)

    def prune(self) -> None:
        """Remove empty parents that were made here; never while a container may be made."""
        ours = [self.monitor_parent]
        if self.driver == "cgroupfs":
            ours.append(self.default_parent.strip("/"))
        elif (above := Path(self.monitor_parent).parent).name != self.default_parent:
            ours.append(str(above))  # only a directory; the pods' slice belongs to systemd
        for tree in self._trees.all():
            for relative in ours:
                with suppress(OSError):
                    tree.group(relative).rmdir()

    def warm_up(self) -> None:
        """Make the next moves between groups fast, for some 10 ms.

        The first move after a pause waits 6-9 ms for the kernel, in any hierarchy. So the daemon
        moves itself into its own group while the OCI runtime starts. Otherwise the OCI runtime
        would have to wait.
        """
        own = self._trees.own_groups()
        # v2 first: beside v1 it has no controllers, which could refuse the move.
        for tree in sorted(self._trees.all(), key=lambda t: not t.v2):
            path = own.get(tree.named())
            if path is None:
                continue
            relative = path.removeprefix(tree.root.rstrip("/")).strip("/")
            with suppress(OSError):
                (tree.group(relative) / "cgroup.procs").write_text("0")
                return

    def _monitor(self, container_id: str) -> str:
        return f"{self.monitor_parent}/{container_id}"

    def _groups(self, oci_path: str) -> list[Path]:
        relative = cgroup_names.directory(oci_path)
        return [tree.group(relative) for tree in self._trees.all()]


async def _remove(relative: str, trees: Collection[hierarchies.Hierarchy]) -> None:
    """Run `_remove_group`; retry for BUSY_S while a group is busy."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BUSY_S
    while True:
        try:
            return await offload(_remove_group, relative, trees)
        except OSError as e:
            if e.errno != errno.EBUSY or loop.time() > deadline:
                raise
        await asyncio.sleep(_BUSY_STEP_S)


def _remove_group(relative: str, trees: Iterable[hierarchies.Hierarchy]) -> None:
    failed: OSError | None = None
    for tree in trees:
        try:
            hierarchies.remove(tree.group(relative))
        except OSError as e:
            failed = e
    if failed is not None:
        raise failed


def _has_monitors(tree: hierarchies.Hierarchy) -> bool:
    return tree.v2 or bool(tree.controllers & _MONITOR_IN)


def _keyed(file: Path | None, key: str) -> int | None:
    """Return the number of `key` in a file of keys and numbers; None if there is none."""
    try:
        text = "" if file is None else file.read_text()
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENODEV):
            return None
        raise
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return None
