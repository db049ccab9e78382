"""The mounted control group trees, and operations on one group in them.

With cgroup v1 every controller may have its own tree. There are also trees without controllers
(name=systemd, and the v2 tree, which is called unified then). With v2 there is one tree. A group is
a path relative to the root of every tree.
"""

import errno
import math
import os
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cri_shim.linux import mounts

_INCOMPLETE_S = 1.0  # before a tree that is mounted nowhere is searched for again
# The expected place of trees; a container may show its own cgroup mounts elsewhere, too.
MOUNT_DIRECTORY = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One tree: its mount point, the group that is the mount's root, and its controllers."""

    mount: Path
    root: str
    controllers: frozenset[str]
    v2: bool

    def group(self, relative: str) -> Path:
        return self.mount / relative

    def named(self) -> str:
        """Return the key of the tree in `own_groups`."""
        return "" if self.v2 else ",".join(sorted(self.controllers))


def parse(mountinfo: Iterator[mounts.Mount], names: Container[str]) -> tuple[Hierarchy, ...]:
    """Return the trees among some mounts; of several mounts of a tree, the first expected one.

    `names` are the existing controllers (and "name=..."): other mount options are no controllers.
    """
    found: dict[str, Hierarchy] = {}
    for mount in mountinfo:
        if mount.fstype not in ("cgroup", "cgroup2"):
            continue
        if not mount.target.is_relative_to(MOUNT_DIRECTORY):
            continue
        v2 = mount.fstype == "cgroup2"
        controllers = frozenset(o for o in mount.super_options if not v2 and o in names)
        found.setdefault(mount.device, Hierarchy(mount.target, mount.root, controllers, v2))
    return tuple(found.values())


def parse_own(text: str) -> dict[str, str]:
    """Parse /proc/PID/cgroup: the groups by `Hierarchy.named`."""
    own: dict[str, str] = {}
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        own[",".join(sorted(names.split(","))) if names else ""] = path
    return own


class Hierarchies:
    """The trees of this machine as they are now; reading them again is cheap."""

    def __init__(self) -> None:
        self._seen: frozenset[str] = frozenset()
        self._again_at = 0.0
        self._all: tuple[Hierarchy, ...] = ()

    def own_groups(self) -> dict[str, str]:
        """Return the daemon's own groups, by `Hierarchy.named`; refreshes the answer of `all`."""
        own = parse_own(OWN_GROUPS.read_text())
        # A tree mounted later appears here at once: 20 us, where mountinfo takes milliseconds.
        if self._seen != own.keys() or time.monotonic() > self._again_at:
            names = frozenset(name for names in own for name in names.split(","))
            self._all = parse(mounts.mountinfo(), names)
            self._seen = frozenset(own)
            # A tree can exist without being mounted, or not be mounted yet.
            complete = own.keys() <= {h.named() for h in self._all}
            self._again_at = math.inf if complete else time.monotonic() + _INCOMPLETE_S
        return own

    def all(self) -> tuple[Hierarchy, ...]:
        self.own_groups()
        return self._all

    def v2_only(self) -> bool:
        """Return whether the resource controllers are in the v2 tree, as OCI runtimes decide it."""
        return any(h.v2 and h.mount == MOUNT_DIRECTORY for h in self.all())

    def controllers(self) -> frozenset[str]:
        """Return the resource controllers of this machine."""
        trees = self.all()
        if self.v2_only():
            files = [tree.mount / "cgroup.controllers" for tree in trees if tree.v2]
            return frozenset(name for file in files for name in file.read_text().split())
        return frozenset(name for tree in trees for name in tree.controllers if "=" not in name)

    def holding(self, controller: str) -> Hierarchy | None:
        """Return the tree with that resource controller."""
        trees = self.all()
        for hierarchy in trees:
            if controller in hierarchy.controllers:
                return hierarchy
        return next((h for h in trees if h.v2), None) if self.v2_only() else None


def tree(group: Path) -> list[Path]:
    """Return a group and all groups below it, deepest first; empty if there is no such group."""
    found: list[Path] = []
    pending = [group]
    while pending:
        at = pending.pop()
        try:
            with os.scandir(at) as entries:
                pending += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        found.append(at)
    return found[::-1]


def processes(group: Path) -> set[int]:
    """Return the pids in a group and below it."""
    pids: set[int] = set()
    for at in tree(group):
        pids.update(_read_pids(at / "cgroup.procs"))
    return pids


def _read_pids(file: Path) -> set[int]:
    try:
        return set(map(int, file.read_text().split()))
    except OSError as e:
        # ENODEV: removed during the read. EOPNOTSUPP: a threaded group, listed by its domain.
        if e.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            return set()
        raise


def remove(group: Path) -> None:
    """Remove a group and those below it. Idempotent; OSError (EBUSY) if one is still in use."""
    for at in tree(group):
        with suppress(FileNotFoundError):
            at.rmdir()
