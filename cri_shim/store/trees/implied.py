"""Directories that the layers of an image use without describing them.

A layer may have a file and no entry for the file's directory. Then that directory has the mode,
owner, times and attributes of the same directory in the layers below. But overlayfs shows those of
the topmost layer that has the directory, and there unpacking had to invent them. So the image gets
one more layer on top with the correct directories, and nothing else. The other layers stay shared
between images.

A layer may also have nothing but whiteouts in a directory that no layer has. Unpacking had to make
the directory for them, but it is not in the image: a whiteout is not a file, it removes one. So
does umoci, where containerd leaves an empty directory. The layer on top hides it.

Blocking. The code reads only layers, and no process changes these.
"""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cri_shim.store.trees import merged, overlay
from cri_shim.store.trees.merged import Layer, Node, Part

_ROOT = ""


def write(directory: Path, lowers: Sequence[Path], implied: Sequence[Iterable[bytes]]) -> bool:
    """Fill the empty `directory` with the layer that `lowers` need; False if they need none.

    `lowers` are topmost first, `implied` has the paths of each ("/a/b", b"" for the root). OSError.
    """
    unsaid = {
        str(lower): {os.fsdecode(path) for path in paths}
        for lower, paths in zip(lowers, implied, strict=True)
    }
    with merged.opened([Layer(str(lower)) for lower in lowers]) as (root,):
        if root is None:
            return False
        tree = _Tree(root)
        wanted: dict[str, Part] = {}
        for path in sorted(set().union(*unsaid.values())):
            node = tree.directory(path)
            source = None if node is None else _described(node, path, unsaid)
            if source is not None:
                wanted[path] = source
        hidden = _Marks(tree, unsaid).topmost()
        if wanted or hidden:
            _make(directory, tree, wanted, hidden)
        return bool(wanted or hidden)


class _Tree:
    """The directories of a tree of layers, each looked up once."""

    def __init__(self, root: Node) -> None:
        self._known: dict[str, Node | None] = {_ROOT: root}

    def directory(self, path: str) -> Node | None:
        """Return the directory; None if there is none, or if it is hidden."""
        if path not in self._known:
            above, _, name = path.rpartition("/")
            node = self.directory(above)
            if node is not None:
                node = merged.child(node, name, range(len(node.parts)))
            self._known[path] = node if node is not None and node.is_directory else None
        return self._known[path]


class _Marks:
    """The directories that have nothing but marks in all layers, and are described by none."""

    def __init__(self, tree: _Tree, unsaid: Mapping[str, set[str]]) -> None:
        self._tree = tree
        self._unsaid = unsaid
        self._known: dict[str, bool] = {}

    def topmost(self) -> list[str]:
        """Return those that are not below another one."""
        found: list[str] = []
        for path in sorted(set().union(*self._unsaid.values()) - {_ROOT}):
            if not (found and path.startswith(f"{found[-1]}/")) and self._has_only_marks(path):
                found.append(path)
        return found

    def _has_only_marks(self, path: str) -> bool:
        if path not in self._known:
            node = self._tree.directory(path)
            self._known[path] = node is not None and self._are_marks(node, path)
        return self._known[path]

    def _are_marks(self, node: Node, path: str) -> bool:
        if any(path not in self._unsaid[part.layer.path] for part in node.parts):
            return False
        for name, having in merged.names(node).items():
            for number in having:
                part = node.parts[number]
                status = _status(Part(part.layer, f"{part.path}/{name}"))
                is_directory = stat.S_ISDIR(status.st_mode)
                if not (is_directory or overlay.is_whiteout(status)):
                    return False
                if is_directory and not self._has_only_marks(f"{path}/{name}"):
                    return False
        return True


def _described(node: Node, path: str, unsaid: Mapping[str, set[str]]) -> Part | None:
    """Return the part that has a directory's attributes; None if the topmost part has them."""
    for part in node.parts:
        if path not in unsaid[part.layer.path]:
            same = part is node.parts[0] or (path == _ROOT and _alike(part, node.parts[0]))
            return None if same else part
    return None


def _alike(one: Part, other: Part) -> bool:
    """Return whether mode, owner and attributes are equal; each container changes the time of /."""
    first, second = _status(one), _status(other)
    return (first.st_mode, first.st_uid, first.st_gid, one.xattrs()) == (
        second.st_mode, second.st_uid, second.st_gid, other.xattrs(),
    )  # fmt: skip


def _make(directory: Path, tree: _Tree, wanted: Mapping[str, Part], hidden: Sequence[str]) -> None:
    """Make the wanted directories and whiteouts of the hidden ones, with their parents.

    The parents keep their present attributes.
    """
    sources = dict(wanted)
    for path in (*wanted, *hidden):
        while path:
            path = path.rpartition("/")[0]
            node = tree.directory(path)
            assert node is not None
            sources.setdefault(path, node.parts[0])
    for path in sorted(sources):
        if path:
            Path(f"{directory}{path}").mkdir(mode=0o700)
    for path in hidden:
        os.mknod(f"{directory}{path}", stat.S_IFCHR, os.makedev(0, 0))
    for path in sorted(sources, reverse=True):  # times last: new entries change them
        _copy(sources[path], f"{directory}{path}")


def _copy(source: Part, target: str) -> None:
    status = _status(source)
    os.chown(target, status.st_uid, status.st_gid)
    for name, value in source.xattrs().items():
        os.setxattr(target, name, value)
    Path(target).chmod(stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _status(part: Part) -> os.stat_result:
    with part.held() as handle:
        return os.fstat(handle)
