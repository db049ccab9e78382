"""Control groups of an ordinary user, below the one that was delegated to it.

A group is delegated when its directory and its cgroup.procs are the user's to write, as systemd's
`Delegate=yes` makes them in a user's service; with cgroup v1 in every tree, under one path. Groups
of pods are made below it whatever parent is asked for. The controllers that came along are what can
be limited; the rest is left out, and said.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.hierarchies import Hierarchies, Hierarchy

LIMITING = frozenset({"cpu", "cpuset", "memory", "pids"})
_OWN = "cri-shim-daemon"  # v2: a group with controllers for groups below has no process of its own


def found() -> "Delegated | None":
    """The groups below ours, if that was delegated to us."""
    trees = Hierarchies()
    own = trees.own_groups()
    bases = {_base(tree, own) for tree in trees.all()}
    if len(bases) != 1 or None in bases:
        return None
    return Delegated(str(bases.pop()))


def _base(tree: Hierarchy, own: Mapping[str, str]) -> str | None:
    """Our own group in this tree, below its mount point; None if we may not make groups there."""
    path = own.get(tree.named())
    if path is None or path.startswith("/.."):  # outside of our cgroup namespace
        return None
    relative = path.removeprefix(tree.root.rstrip("/")).strip("/")
    if relative.rpartition("/")[2] == _OWN:  # a runtime before us, in this process, has moved it
        relative = relative.rpartition("/")[0]
    group = tree.group(relative)
    able = os.access(group, os.W_OK | os.X_OK) and os.access(group / "cgroup.procs", os.W_OK)
    return relative if able else None


class Delegated(Cgroups):
    """The trees, as far as they are ours: below `base`, a path relative to every tree's root."""

    def __init__(self, base: str) -> None:
        super().__init__("cgroupfs", name=f"{base}/cri-shim".strip("/"))
        self._base = base
        self.top = f"/{base}".rstrip("/")
        if lacking := self.lacking():
            self.problem = (
                f"not delegated to this user, and so not limited: {', '.join(sorted(lacking))}"
            )
        if self._trees.v2_only():
            self._make_room()

    def oci_path(self, parent: str, container_id: str) -> str:
        """Below ours: a parent that the kubelet names is one of the whole machine's."""
        inside = not parent or f"{parent}/".startswith(f"{self.top}/")
        below = parent if inside else f"{self.top}/{parent.lstrip('/')}"
        return super().oci_path(below, container_id)

    def controllers(self) -> frozenset[str]:
        """Those that were delegated."""
        if not self._trees.v2_only():
            return super().controllers()
        (tree,) = (tree for tree in self._trees.all() if tree.v2)
        return frozenset((tree.group(self._base) / "cgroup.controllers").read_text().split())

    def lacking(self) -> frozenset[str]:
        """The controllers without which something a container asks for is not limited."""
        return LIMITING - self.controllers()

    def _make_room(self) -> None:
        """Move what is in our group itself, us and the holder, to one of its own."""
        (tree,) = (tree for tree in self._trees.all() if tree.v2)
        group: Path = tree.group(self._base)
        (group / _OWN).mkdir(exist_ok=True)
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (group / _OWN / "cgroup.procs").write_text(pid)
