"""What differs between two trees of layers, in docker's words: added, changed, deleted.

A directory that was deleted is one change, one that was added is a change for each thing in it.
A directory is changed, too, when something in it is. A file that was only opened for writing, or
that a layer has once more as it was, is no change: its content is compared.
"""
# One os call an entry: a Path for each would double the time.
# ruff: noqa: PTH115

import filecmp
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from cri_shim.store import merged
from cri_shim.store.merged import Node

Kind = Literal["added", "changed", "deleted"]
_LETTERS: dict[Kind, str] = {"added": "A", "changed": "C", "deleted": "D"}
_SECOND = 10**9  # nanoseconds


@dataclass(frozen=True, slots=True)
class Change:
    """`str()` of it is a line of `podman diff`."""

    kind: Kind
    path: str  # absolute, in the tree

    def __str__(self) -> str:
        return f"{_LETTERS[self.kind]} {self.path}"


def between(old: Node | None, new: Node | None, hidden: Collection[str] = ()) -> list[Change]:
    """The changes that lead from `old` to `new`, by path; None is an empty tree.

    At the paths of `hidden` an empty file or directory does not count, nor that its directory was
    touched to make it: mounts are put there. Blocking; what both trees share is not walked.
    """
    found: dict[str, Kind] = {}
    touched = {path.rpartition("/")[0] for path in hidden}
    pending: list[tuple[str, Node | None, Node | None]] = [("", old, new)]
    while pending:
        at, was, now = pending.pop()
        if was is not None and now is not None and was.parts == now.parts:
            continue
        before = merged.children(was) if was is not None else {}
        after = merged.children(now) if now is not None else {}
        for name in before.keys() | after.keys():
            path, earlier, later = f"{at}/{name}", before.get(name), after.get(name)
            if later is None:
                found[path] = "deleted"
                continue
            if earlier is None:
                if path in hidden and _empty(later):
                    continue
                found[path] = "added"
            elif _differ(earlier, later, times=path not in touched):
                found[path] = "changed"
            if later.is_directory:
                pending.append((path, _directory(earlier), later))
    for path in list(found):
        for parent in _parents(path):
            found.setdefault(parent, "changed")
    return [Change(found[path], path) for path in sorted(found)]


def _directory(node: Node | None) -> Node | None:
    return node if node is not None and node.is_directory else None


def _empty(node: Node) -> bool:
    return not merged.children(node) if node.is_directory else node.status.st_size == 0


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _differ(was: Node, now: Node, *, times: bool) -> bool:
    if was.parts[0] == now.parts[0]:
        return False
    one, two = was.status, now.status
    if (one.st_mode, was.owner()) != (two.st_mode, now.owner()) or was.xattrs() != now.xattrs():
        return True
    if now.is_directory:
        return times and not _same_time(one.st_mtime_ns, two.st_mtime_ns)
    if not _same_time(one.st_mtime_ns, two.st_mtime_ns) or one.st_rdev != two.st_rdev:
        return True
    first, second = was.parts[0].path, now.parts[0].path
    try:
        if stat.S_ISLNK(one.st_mode):
            return os.readlink(first) != os.readlink(second)
        if stat.S_ISREG(one.st_mode):
            return one.st_size != two.st_size or not filecmp.cmp(first, second, shallow=False)
    except FileNotFoundError:
        return True  # it vanishes as we look
    return False


def _same_time(one: int, two: int) -> bool:
    """Most archives have whole seconds only."""
    if one % _SECOND == 0 or two % _SECOND == 0:
        return one // _SECOND == two // _SECOND
    return one == two
