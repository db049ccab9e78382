"""Layers read as one tree without mounting them, by the rules that overlayfs has for it.

A character device 0:0 hides a name of the layers below; an opaque directory, and whatever is no
directory, hides all that they have there. Blocking: one stat an entry.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cri_shim.spec.userns import IdMap

NOBODY = 65534  # who owns what belongs to no id of a user namespace
_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_PRIVATE = ("trusted.overlay.", "user.overlay.", "security.selinux")  # not the image's own


@dataclass(frozen=True, slots=True)
class Part:
    """What one layer has of an entry; `ids` are those that its owners are written in."""

    path: str
    ids: IdMap | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """An entry as it is seen: `status` is the topmost part's, the others are of directories."""

    parts: tuple[Part, ...]
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    def owner(self) -> tuple[int, int]:
        """User and group, as the image has them."""
        ids = self.parts[0].ids
        return inside(self.status.st_uid, ids), inside(self.status.st_gid, ids)

    def xattrs(self) -> Mapping[str, bytes]:
        """The extended attributes that are not overlayfs's or this machine's."""
        return dict(_xattrs(self.parts[0].path))


def inside(id: int, ids: IdMap | None) -> int:
    """What an owner on the node is in the user namespace, if there is one."""
    if ids is None:
        return id
    return id - ids.host_id if ids.host_id <= id < ids.host_id + ids.length else NOBODY


def root(layers: Sequence[Part]) -> Node | None:
    """The tree of these layers, topmost first; None of no layers at all."""
    if not layers:
        return None
    parts: list[Part] = []
    for part in layers:
        parts.append(part)
        if is_opaque(part.path):
            break
    return Node(tuple(parts), os.lstat(parts[0].path))


def children(node: Node) -> dict[str, Node]:
    """What is in a directory, by name; what vanishes meanwhile is left out."""
    found: dict[str, tuple[list[Part], os.stat_result]] = {}
    closed: set[str] = set()
    for part in node.parts if node.is_directory else ():
        for entry, status in _entries(part.path):
            name, directory = entry.name, stat.S_ISDIR(status.st_mode)
            if name in closed:
                continue
            if is_whiteout(status):
                closed.add(name)
                continue
            if name not in found:
                found[name] = [Part(entry.path, part.ids)], status
            elif directory:
                found[name][0].append(Part(entry.path, part.ids))
            if not directory or is_opaque(entry.path):
                closed.add(name)
    return {name: Node(tuple(parts), status) for name, (parts, status) in found.items()}


def is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(directory: str) -> bool:
    """Whether it hides what the layers below have there."""
    return any(value in (b"y", b"Y") for value in (_xattr(directory, name) for name in _OPAQUE))


def _xattr(path: str, name: str) -> bytes:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as e:
        if e.errno in (errno.ENODATA, errno.ENOTSUP, errno.ENOENT, errno.EPERM):
            return b""
        raise


def _xattrs(path: str) -> Iterator[tuple[str, bytes]]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as e:
        if e.errno not in (errno.ENOTSUP, errno.ENOENT):
            raise
        return
    for name in sorted(names):
        if not name.startswith(_PRIVATE):
            yield name, _xattr(path, name)


def _entries(directory: str) -> Iterator[tuple["os.DirEntry[str]", os.stat_result]]:
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        try:
            yield entry, entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
