"""Control groups of an unprivileged user, below the group that was delegated to it.

A group is delegated if the user may write to its directory and its cgroup.procs, as with systemd's
`Delegate=yes` in a user's service; with cgroup v1 in every tree, under one path. Groups of pods are
made below it, whatever parent is requested. Only the delegated controllers can limit; other limits
are left out and reported.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cri_shim.isolation.cgroups import Cgroups, Delegation
from cri_shim.isolation.hierarchies import Hierarchies, Hierarchy

LIMITING = frozenset({"cpu", "cpuset", "memory", "pids"})
_OWN = "cri-shim-daemon"  # v2: a group that gives controllers to groups below has no processes


def found() -> Cgroups | None:
    """Return the groups below the daemon's own group, if it was delegated."""
    trees = Hierarchies()
    own = trees.own_groups()
    bases = {_base(tree, own) for tree in trees.all()}
    if len(bases) != 1 or None in bases:
        return None
    base = str(bases.pop())
    controllers = _make_room(trees, base) if trees.v2_only() else trees.controllers()
    given = Delegation(f"/{base}".rstrip("/"), controllers, LIMITING - controllers)
    return Cgroups("cgroupfs", name=f"{base}/cri-shim".strip("/"), delegation=given)


def _base(tree: Hierarchy, own: Mapping[str, str]) -> str | None:
    """Return the daemon's group in this tree, below its mount point; None if it has none."""
    path = own.get(tree.named())
    if path is None or path.startswith("/.."):  # outside of this cgroup namespace
        return None
    relative = path.removeprefix(tree.root.rstrip("/")).strip("/")
    if relative.rpartition("/")[2] == _OWN:  # an earlier runtime in this process has moved it
        relative = relative.rpartition("/")[0]
    group = tree.group(relative)
    able = os.access(group, os.W_OK | os.X_OK) and os.access(group / "cgroup.procs", os.W_OK)
    return relative if able else None


def _make_room(trees: Hierarchies, base: str) -> frozenset[str]:
    """Move the daemon and the holder from the delegated group to a group below it.

    Returns the controllers that were delegated.
    """
    (tree,) = (tree for tree in trees.all() if tree.v2)
    group: Path = tree.group(base)
    controllers = frozenset((group / "cgroup.controllers").read_text().split())
    (group / _OWN).mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text().split():
        with suppress(ProcessLookupError):
            (group / _OWN / "cgroup.procs").write_text(pid)
    return controllers
