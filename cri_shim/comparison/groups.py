"""The control groups of containers, pause processes and conmons."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cri_shim.comparison import ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place, since
from cri_shim.comparison.records import Records
from cri_shim.isolation import cgroup_names, hierarchies
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.hierarchies import Hierarchies

KIND = "control group"
REMOVE = "ends the processes in it, and removes it"
REMOVE_EMPTY = "removes it, if no process is in it"
_SCOPE = (f"{cgroup_names.PREFIX}-", ".scope")  # around the id, with systemd


@dataclass(frozen=True, slots=True)
class Group:
    """`relative` to the root of each tree.

    `own`: only this instance makes groups beside it. `of_pod`: it is below the parent of one of our
    pods, where only the pod's runtime makes groups.
    """

    id: str
    relative: str
    path: Path
    own: bool
    of_pod: bool


def own_parents(cgroups: Cgroups) -> list[str]:
    """Return the parents of groups that only this instance uses, relative to the trees."""
    parents = [cgroups.monitor_parent]
    if cgroups.driver == "cgroupfs":
        parents.append(cgroups.default_parent.strip("/"))
    return [parent for parent in parents if parent]


def find(place: Place, records: Records) -> Iterator[Difference]:
    cgroups = place.cgroups
    if not isinstance(cgroups, Cgroups):
        return  # there are none
    for group in _groups(cgroups, records):
        if records.unowned(group.id):
            text = "the control group of an object that has no record"
        elif records.ended(group.id):
            text = "the control group of an object that has ended"
        else:
            continue
        running = len(pids(group.relative))
        ours_for_sure = records.has(group.id) or group.own or group.id in place.evidence
        if not ours_for_sure and (running or not group.of_pod):
            continue
        text += f"; {running} processes are in it" if running else ""
        subject = records.subject(group.id)
        repair = REMOVE if group.own or records.has(group.id) else REMOVE_EMPTY
        yield Difference(
            KIND, Sort.LEFTOVER, subject, str(group.path), text, repair,
            since(group.path), group.relative,
        )  # fmt: skip


def _groups(cgroups: Cgroups, records: Records) -> Iterator[Group]:
    """Yield each group once, by its path in the first tree that has it."""
    own = own_parents(cgroups)
    parents = dict.fromkeys(own, False)  # to whether it is that of one pod
    for pod in records.pods.values():
        path = cgroup_names.directory(cgroups.oci_path(pod.cgroup_parent, pod.id))
        parents.setdefault(path.rpartition("/")[0], bool(pod.cgroup_parent))
    seen: set[str] = set()
    trees = Hierarchies().all()
    for parent, of_pod in parents.items():
        for tree in trees:
            for name in _directories(tree.group(parent)):
                relative = f"{parent}/{name}".lstrip("/")
                id = name.removeprefix(_SCOPE[0]).removesuffix(_SCOPE[1])
                if relative not in seen and ours.ID.fullmatch(id):
                    seen.add(relative)
                    yield Group(id, relative, tree.group(relative), parent in own, of_pod)


def _directories(group: Path) -> list[str]:
    try:
        with os.scandir(group) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except OSError:
        return []


def remove(relative: str) -> None:
    """Remove a group in every tree. Idempotent; OSError while a process is in it. Blocks."""
    failed: OSError | None = None
    for tree in Hierarchies().all():
        try:
            hierarchies.remove(tree.group(relative))
        except OSError as e:
            failed = e
    if failed is not None:
        raise failed


def pids(relative: str) -> set[int]:
    """Return the processes in a group, in any tree."""
    found: set[int] = set()
    for tree in Hierarchies().all():
        found |= hierarchies.processes(tree.group(relative))
    return found
