"""The differences between two trees of layers, in docker's words: added, changed, deleted.

A deleted directory is one change; an added directory is one change for each entry in it. A
directory counts as changed, too, if an entry in it changed. A file that was only opened for
writing, or that a layer repeats unchanged, is no change: its content is compared.
"""

import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cri_shim.errors import ToolFailed
from cri_shim.linux import beneath
from cri_shim.store.trees import merged
from cri_shim.store.trees.merged import Node

MOST = 1_000_000  # changes: some 300 MB of memory
_PIECE = 1 << 18  # bytes of two files that are compared at once
Kind = Literal["added", "changed", "deleted"]
_LETTERS: dict[Kind, str] = {"added": "A", "changed": "C", "deleted": "D"}
_SECOND = 10**9  # nanoseconds


@dataclass(frozen=True, slots=True)
class Change:
    """One change; its `str()` is a line of `podman diff`."""

    kind: Kind
    path: str  # absolute, in the tree

    def __str__(self) -> str:
        return f"{_LETTERS[self.kind]} {self.path}"


class Stopped(Exception):
    """The caller does not need the changes any more."""


def between(
    old: Node | None,
    new: Node | None,
    hidden: Collection[str] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> list[Change]:
    """Return the changes from `old` to `new`, by path; None is an empty tree. Blocks.

    At the paths of `hidden` an empty file or directory is ignored, because it is the mount point of
    a mount, and so is the changed time of its parent. Parts that both trees share are not walked.
    ToolFailed for more than MOST changes; Stopped as soon as `stopped()` is true.
    """
    found: dict[str, Kind] = {}
    touched = {path.rpartition("/")[0] for path in hidden}
    pending = [_Directory("", old, new)]
    while pending:
        if stopped():
            raise Stopped
        entry = pending[-1].next()
        if entry is None:
            pending.pop()
            continue
        path, earlier, later = entry
        if later is None:
            if earlier is not None:
                found[path] = "deleted"
            continue
        if earlier is None:
            if path in hidden and _empty(later):
                continue
            found[path] = "added"
        elif _differ(earlier, later, times=path not in touched):
            found[path] = "changed"
        if later.is_directory:
            pending.append(_Directory(path, _directory(earlier), later))
        if len(found) > MOST:
            raise ToolFailed(f"there are more than {MOST} changes, too many to be told")
    for path in list(found):
        for parent in _parents(path):
            found.setdefault(parent, "changed")
    return [Change(found[path], path) for path in sorted(found)]


class _Directory:
    """A directory of both trees, entry by entry; only the names of entries are kept."""

    def __init__(self, path: str, old: Node | None, new: Node | None) -> None:
        self._path, self._old, self._new = path, old, new
        if old is not None and new is not None and old.parts == new.parts:
            old = new = None  # both are the same
        self._before = merged.names(old) if old is not None else {}
        self._after = merged.names(new) if new is not None else {}

    def next(self) -> tuple[str, Node | None, Node | None] | None:
        """Return path and nodes of the next entry; None after the last."""
        if self._after:
            name, having = self._after.popitem()
            earlier = _child(self._old, name, self._before.pop(name, ()))
            return f"{self._path}/{name}", earlier, _child(self._new, name, having)
        if self._before:
            name, having = self._before.popitem()
            return f"{self._path}/{name}", _child(self._old, name, having), None
        return None


def _child(node: Node | None, name: str, having: Sequence[int]) -> Node | None:
    return merged.child(node, name, having) if node is not None and having else None


def _directory(node: Node | None) -> Node | None:
    return node if node is not None and node.is_directory else None


def _empty(node: Node) -> bool:
    if not node.is_directory:
        return node.status.st_size == 0
    return all(_child(node, *entry) is None for entry in merged.names(node).items())


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
    try:
        with was.parts[0].held() as first, now.parts[0].held() as second:
            if stat.S_ISLNK(one.st_mode):
                return os.readlink("", dir_fd=first) != os.readlink("", dir_fd=second)
            if stat.S_ISREG(one.st_mode):
                return one.st_size != two.st_size or not _same_content(first, second)
    except OSError as e:
        if e.errno not in beneath.ANOTHER_THING:
            raise
        return True  # the file vanished meanwhile
    return False


def _same_content(first: int, second: int) -> bool:
    """Compare two files by handle; one that is no regular file any more differs."""
    if not all(stat.S_ISREG(os.fstat(handle).st_mode) for handle in (first, second)):
        return False
    with (
        os.fdopen(beneath.reader(first), "rb", buffering=0) as one,
        os.fdopen(beneath.reader(second), "rb", buffering=0) as two,
    ):
        while True:
            piece = one.read(_PIECE)
            if piece != two.read(_PIECE):
                return False
            if not piece:
                return True


def _same_time(one: int, two: int) -> bool:
    """Compare two times; most archives have whole seconds only."""
    if one % _SECOND == 0 or two % _SECOND == 0:
        return one // _SECOND == two // _SECOND
    return one == two
