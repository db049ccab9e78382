"""Makes the entries of a layer below one directory, and nowhere else.

This module splits and resolves names itself. `..` is refused; a leading `/` means the layer's own
root, as in GNU tar. The directory of an entry is found component by component. A relative symbolic
link that stays inside is followed; one that is absolute or leaves the root fails the layer. The
last component is never followed. Directories that were found are cached until an entry is removed.

Whiteouts get overlayfs's form: a character device 0:0 hides a name of the layers below, and the
xattr trusted.overlay.opaque=y hides all entries that the layers below have in a directory. A
whiteout never hides entries of its own layer; their order does not matter.
"""

import os
import stat
from collections.abc import Callable, Iterable

from cri_shim.store.trees.overlay import OPAQUE
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.files import Disk, Files

_LINKS_LIMIT = 40  # symbolic links in one name; the kernel's limit
_IMPLICIT_MODE = 0o755  # of a directory that the archive uses but does not describe


def components(name: str) -> list[str]:
    """Return the parts of a member's name; BadLayer for `..`."""
    parts = name.split("/")
    if "" in parts or "." in parts:
        parts = [part for part in parts if part not in ("", ".")]
    if ".." in parts:
        raise BadLayer(f"{name!r} leads out of the layer")
    return parts


class _Paths:
    """A number for each of some paths; `forget` visits a path and those below it, and no others."""

    def __init__(self) -> None:
        self._values: dict[str, int] = {}
        self._below: dict[str, set[str]] = {}  # directory -> its paths, and those leading to a path

    def put(self, path: str, value: int) -> None:
        self._values[path] = value
        while path and path not in (
            known := self._below.setdefault(path.rpartition("/")[0], set())
        ):
            known.add(path)
            path = path.rpartition("/")[0]

    def drop(self, path: str) -> None:
        self._values.pop(path, None)

    def forget(self, path: str) -> None:
        """Drop the path and all below it."""
        self._below.get(path.rpartition("/")[0], set()).discard(path)
        pending = [path]
        while pending:
            path = pending.pop()
            self._values.pop(path, None)
            pending += self._below.pop(path, ())

    def __contains__(self, path: str) -> bool:
        return path in self._values

    def items(self) -> Iterable[tuple[str, int]]:
        return self._values.items()


class Tree:
    """Paths are "/a/b", below `root`; "" is the root itself. The umask must be 0."""

    def __init__(self, root: str, files: Files | None = None, *, opaque: str = OPAQUE) -> None:
        self._root = root
        self._files = files or Disk()
        self._opaque = opaque
        self.inherits = False  # a directory gives new entries its group
        self._found: dict[str, str] = {"": ""}
        self._implied = _Paths()  # directories that no entry has described yet
        self._implied.put("", 0)
        self._whited = _Paths()
        self._times = _Paths()  # of directories, in ns; set last: new entries change them

    def on_disk(self, path: str) -> str:
        return f"{self._root}{path}" or "/"

    def place(self, parts: list[str]) -> str:
        """Return the path of a name; its directory is made if it is missing."""
        if not parts:
            return ""
        return f"{self._directory_of(parts[:-1])}/{parts[-1]}"

    def _directory_of(self, parts: list[str]) -> str:
        key = "/".join(parts)
        if (found := self._found.get(key)) is None:
            found = self._found[key] = self._walk(parts)
        return found

    def _walk(self, parts: list[str]) -> str:
        here, links = "", 0
        todo = parts[::-1]
        while todo:
            part = todo.pop()
            if part == "..":  # of a link's target; names have none
                if not here:
                    raise BadLayer(f"{'/'.join(parts)!r} leads out of the layer by a symbolic link")
                here = here.rpartition("/")[0]
                continue
            path = f"{here}/{part}"
            try:
                mode = self._files.mode(self.on_disk(path))
            except FileNotFoundError:
                self._imply(path)
                here = path
                continue
            if stat.S_ISDIR(mode):
                here = path
            elif stat.S_ISLNK(mode):
                links += 1
                todo += self._link_target(path, links)
            elif path in self._whited:
                self._imply(path)
                here = path
            else:
                raise BadLayer(
                    f"{'/'.join(parts)!r} goes through {path!r}, which is not a directory"
                )
        return here

    def _link_target(self, path: str, links: int) -> list[str]:
        target = self._files.readlink(self.on_disk(path))
        if target.startswith("/"):
            raise BadLayer(f"an entry goes through the symbolic link {path!r} to {target!r}")
        if links > _LINKS_LIMIT:
            raise BadLayer(f"too many symbolic links at {path!r}")
        return [part for part in target.split("/") if part not in ("", ".")][::-1]

    def implied(self) -> list[str]:
        """Return the directories of entries that no entry has described, sorted."""
        return sorted(path for path, _ in self._implied.items())

    def describe(self, path: str) -> None:
        """Note that an entry describes the directory at `path`."""
        self._implied.drop(path)

    def _imply(self, path: str) -> None:
        self.directory(path, _IMPLICIT_MODE)
        if self.inherits:
            self._files.chown(self.on_disk(path), 0, 0)
            self._files.chmod(self.on_disk(path), _IMPLICIT_MODE)
        self._implied.put(path, 0)

    def directory(self, path: str, mode: int) -> bool:
        """Make a directory at `path`; return whether it is new. An old one keeps its entries."""
        real = self.on_disk(path)
        try:
            self._files.mkdir(real, mode)
        except FileExistsError:
            if not path or stat.S_ISDIR(self._files.mode(real)):
                return False
            hides = path in self._whited
            self.remove(path)
            self._files.mkdir(real, mode)
            if hides:  # the same directory of the layers below must stay hidden
                self._files.setxattr(real, self._opaque, b"y")
        return True

    def make(self, path: str, create: Callable[[str], None]) -> None:
        """Make an entry that is not a directory; it replaces an existing entry."""
        if not path:
            raise BadLayer("the root of the layer is not a directory")
        try:
            create(self.on_disk(path))
        except FileExistsError:
            self.remove(path)
            create(self.on_disk(path))

    def remove(self, path: str) -> None:
        """Remove an entry that an earlier member of this layer made."""
        real = self.on_disk(path)
        mode = self._files.mode(real)
        if stat.S_ISDIR(mode):
            self._files.remove_tree(real)
        else:
            self._files.unlink(real)
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            self._found = {"": ""}  # drop cached names that led through it
        self._whited.forget(path)
        self._times.forget(path)
        self._implied.forget(path)

    def time(self, directory: str, mtime: int) -> None:
        """Remember the time of a directory for `set_times`, in nanoseconds since the epoch."""
        self._times.put(directory, mtime)

    def set_times(self) -> None:
        """Set the times of directories; call it after all entries are made."""
        for path, mtime in self._times.items():
            self._files.set_time(self.on_disk(path), mtime)

    def white_out(self, path: str) -> None:
        """Hide the name in the layers below."""
        real = self.on_disk(path)
        try:
            self._files.mknod(real, stat.S_IFCHR, os.makedev(0, 0))
        except FileExistsError:
            # This layer's own entry hides it already; a directory must also hide the entries below.
            if stat.S_ISDIR(self._files.mode(real)):
                self._files.setxattr(real, self._opaque, b"y")
            return
        self._whited.put(path, 0)

    def make_opaque(self, path: str) -> None:
        """Hide all entries that the layers below have in this directory."""
        self._files.setxattr(self.on_disk(path), self._opaque, b"y")
