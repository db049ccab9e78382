"""Layers with files below a symbolic link of a layer below.

A layer may have a file `lib/x` and no entry for `lib`, which is a symbolic link to `usr/lib` in the
layers below. A program that applies one layer after the other writes to `usr/lib/x`. A layer that
is unpacked alone has a directory `lib`, which would hide the link. So the image gets another form
of the layer, in which such files are where the links lead. Its files are hard links to the layer's,
so it takes the space of its directories; the layer itself stays as it is, for other images. The
files of a layer that is a file system of its own are copied.

A link to a place outside of the tree leads to the same place below its root, as in a container. A
link in a circle, or to something that is not a directory, is left alone: the directory hides it.

Blocking. The code reads only layers, and no process changes these.
"""
# One os call for each entry: a Path for each would double the time.
# ruff: noqa: PTH101, PTH102, PTH108, PTH115, PTH123, PTH211

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from cri_shim.linux.disk import Usage, allocated
from cri_shim.linux.walk import Walk
from cri_shim.store.trees import merged, overlay
from cri_shim.store.trees.merged import Layer, Node

_LINKS_LIMIT = 40  # symbolic links in one path; the kernel's limit
_IMPLICIT_MODE = 0o755
_CROSSES = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM})


def id_of(diff_ids: Sequence[str]) -> str:
    """Return the id of the last layer's other form, above the layers before it."""
    chain = " ".join(["redirected", *diff_ids])
    return "sha256:" + hashlib.sha256(chain.encode()).hexdigest()


def ids_of(diff_ids: Sequence[str]) -> list[str]:
    """Return the ids of the other forms of all these layers, bottom first."""
    return [id_of(diff_ids[: number + 1]) for number in range(len(diff_ids))]


def write(
    directory: Path, layer: Path, lowers: Sequence[Path], implied: Iterable[bytes]
) -> list[bytes] | None:
    """Fill the empty `directory` with the other form of `layer`; None if it needs none.

    `lowers` are the layers below, topmost first; `implied` are the directories that the layer does
    not describe. The result is the same list for the other form. OSError.
    """
    unsaid = {os.fsdecode(path) for path in implied}
    with merged.opened([Layer(str(lower)) for lower in lowers]) as (root,):
        if root is None:
            return None
        places = _Places(str(layer), _Below(root), unsaid)
        if not any(places.of(path)[2] for path in sorted(unsaid)):
            return None
        copy = _Copy(str(layer), str(directory), places)
        try:
            copy.make()
        except _Obstructed:
            return None
        return sorted(os.fsencode(path) for path in copy.implied)


def usage(directory: Path) -> Usage:
    """Return what a layer's other form takes: its directories, and entries that are no links."""
    own = [s for s in Walk(directory) if stat.S_ISDIR(s.st_mode) or s.st_nlink == 1]
    return Usage(sum(map(allocated, own)), len(own))


class _Obstructed(Exception):
    """The layer itself has something in the way that a link leads."""


class _Below:
    """The tree of the layers below; every path is looked up once."""

    def __init__(self, root: Node) -> None:
        self._known: dict[str, Node | None] = {"": root}

    def node(self, path: str) -> Node | None:
        """Return the entry; symbolic links on the way are not followed."""
        if path not in self._known:
            above, _, name = path.rpartition("/")
            node = self.node(above)
            if node is not None:
                is_directory = node.is_directory
                node = merged.child(node, name, range(len(node.parts))) if is_directory else None
            self._known[path] = node
        return self._known[path]

    def target(self, link: str) -> str | None:
        """Return the path of the directory that a symbolic link leads to; it may not exist yet."""
        here, todo, links = "", link.split("/")[:0:-1], 0
        while todo:
            part = todo.pop()
            if part == "..":
                here = here.rpartition("/")[0]
                continue
            path = f"{here}/{part}"
            node = self.node(path)
            if node is None or node.is_directory:
                here = path
            elif stat.S_ISLNK(node.status.st_mode) and links < _LINKS_LIMIT:
                links += 1
                with node.parts[0].held() as handle:
                    leads = os.readlink("", dir_fd=handle)
                here = "" if leads.startswith("/") else here
                todo += [name for name in leads.split("/") if name not in ("", ".")][::-1]
            else:
                return None
        return here


class _Places:
    """Where the directories of a layer are, once the links below it are followed."""

    def __init__(self, layer: str, below: _Below, unsaid: set[str]) -> None:
        self._layer = layer
        self._below = below
        self.unsaid = unsaid
        # Directory -> its place, whether all of the layers below is hidden there, whether it moved.
        self._known: dict[str, tuple[str, bool, bool]] = {"": ("", False, False)}

    def of(self, path: str) -> tuple[str, bool, bool]:
        if path not in self._known:
            above, _, name = path.rpartition("/")
            place, hidden, _ = self.of(above)
            self._known[path] = self._find(path, f"{place}/{name}", hidden)
        return self._known[path]

    def _find(self, path: str, place: str, hidden: bool) -> tuple[str, bool, bool]:
        if hidden or overlay.is_opaque(f"{self._layer}{path}"):
            return place, True, False
        node = self._below.node(place)
        if node is None or node.is_directory:
            return place, False, False
        if path in self.unsaid and stat.S_ISLNK(node.status.st_mode):
            target = self._below.target(place)
            if target is not None:
                return target, False, True
        return place, True, False


class _Copy:
    """The other form of the layer, while it is made."""

    def __init__(self, layer: str, target: str, places: _Places) -> None:
        self._layer = layer
        self._target = target
        self._places = places
        self.implied: set[str] = {""} & places.unsaid
        self._times: dict[str, int] = {}
        self._copied: dict[int, str] = {}  # by inode: the copies of files with several names

    def make(self) -> None:
        """Make what stays in its place first; what the links lead elsewhere does not replace it."""
        self._like("", "")
        waiting = [""]
        while waiting:
            start = waiting.pop(0)
            todo = [start]
            while todo:
                path = todo.pop()
                for entry in os.scandir(f"{self._layer}{path}"):
                    below = f"{path}/{entry.name}"
                    if not entry.is_dir(follow_symlinks=False):
                        self._entry(below, f"{self._places.of(path)[0]}/{entry.name}")
                    elif self._places.of(below)[2]:
                        waiting.append(below)
                    else:
                        self._directory(below, self._places.of(below)[0])
                        todo.append(below)
            if waiting:
                self._way(self._places.of(waiting[0])[0])
        for path, mtime in sorted(self._times.items(), reverse=True):
            os.utime(f"{self._target}{path}", ns=(mtime, mtime))

    def _way(self, place: str) -> None:
        """Make the directories of the place that a link leads to."""
        path = ""
        for name in place.split("/")[1:]:
            path = f"{path}/{name}"
            self._implied_directory(path)

    def _implied_directory(self, path: str) -> None:
        real = f"{self._target}{path}"
        try:
            os.mkdir(real, _IMPLICIT_MODE)
        except FileExistsError:
            status = os.lstat(real)
            if stat.S_ISDIR(status.st_mode):
                return
            if not overlay.is_whiteout(status):
                raise _Obstructed from None
            os.unlink(real)
            os.mkdir(real, _IMPLICIT_MODE)
            self._hide_below(real)
        os.chmod(real, _IMPLICIT_MODE)  # independent of the umask
        self.implied.add(path)

    def _hide_below(self, real: str) -> None:
        try:
            os.setxattr(real, overlay.OPAQUE, b"y")
        except PermissionError:  # root of a user namespace
            os.setxattr(real, overlay.USERS_OPAQUE, b"y")

    def _directory(self, source: str, path: str) -> None:
        self._implied_directory(path)
        if source not in self._places.unsaid and path in self.implied:
            self._like(source, path)
            self.implied.discard(path)

    def _like(self, source: str, path: str) -> None:
        """Give a directory of the copy the attributes of one of the layer."""
        real, status = f"{self._target}{path}", os.lstat(f"{self._layer}{source}")
        os.chown(real, status.st_uid, status.st_gid)
        _copy_xattrs(f"{self._layer}{source}", real)
        os.chmod(real, stat.S_IMODE(status.st_mode))
        self._times[path] = status.st_mtime_ns

    def _entry(self, source: str, path: str) -> None:
        real = f"{self._target}{path}"
        if os.path.lexists(real):
            if not overlay.is_whiteout(os.lstat(real)):
                return  # what the layer has in this place itself
            os.unlink(real)  # it is for the layers below
        try:
            os.link(f"{self._layer}{source}", real, follow_symlinks=False)
        except OSError as e:
            if e.errno not in _CROSSES:
                raise
            self._copy(f"{self._layer}{source}", real)

    def _copy(self, source: str, real: str) -> None:
        status = os.lstat(source)
        if status.st_ino in self._copied:
            os.link(self._copied[status.st_ino], real, follow_symlinks=False)
            return
        _copy_entry(source, real)
        if status.st_nlink > 1:
            self._copied[status.st_ino] = real


def _copy_entry(source: str, target: str) -> None:
    """Copy an entry that is not a directory, for a layer on another file system."""
    status = os.lstat(source)
    if stat.S_ISREG(status.st_mode):
        with open(source, "rb") as old, open(target, "xb") as new:
            shutil.copyfileobj(old, new, 1 << 20)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    else:
        os.mknod(target, status.st_mode, status.st_rdev)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    _copy_xattrs(source, target)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)


def _copy_xattrs(source: str, target: str) -> None:
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(overlay.LABEL):
            value = os.getxattr(source, name, follow_symlinks=False)
            os.setxattr(target, name, value, follow_symlinks=False)
