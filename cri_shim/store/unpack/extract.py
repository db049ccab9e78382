"""Turns the members of an archive into entries with owner, mode, xattrs and times.

The order matters. A change of the owner drops set-uid bits and file capabilities, so xattrs and
mode come after it. Times come last, and those of directories after everything else, because a new
entry changes the time of its directory.
"""

import errno
import os
import stat
from dataclasses import dataclass

from cri_shim.store.trees.overlay import OPAQUE, USERS_OPAQUE
from cri_shim.store.unpack import header
from cri_shim.store.unpack.archive import members
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.files import Disk, Files
from cri_shim.store.unpack.header import Member
from cri_shim.store.unpack.stream import LayerStream
from cri_shim.store.unpack.tree import Tree, components

_WHITEOUT, _OPAQUE_MARK, _AUFS = ".wh.", ".wh..wh..opq", ".wh..wh."
# A layer must not contain overlayfs's private attributes: redirects, metacopies, opaque marks.
_FOREIGN_XATTRS = ("trusted.overlay.", "user.overlay.")
_SPECIAL = {
    header.CHARACTER: stat.S_IFCHR,
    header.BLOCK_DEVICE: stat.S_IFBLK,
    header.FIFO: stat.S_IFIFO,
}
_DEVICES = (header.CHARACTER, header.BLOCK_DEVICE)
# Attributes that root of a user namespace may set; the others have no effect for it.
_USERS_XATTRS = ("user.", "security.capability")
MOST_IMPLIED, MOST_IMPLIED_LETTERS = 10_000, 1 << 20


@dataclass(frozen=True, slots=True)
class Ids:
    """The number of users and groups in a user namespace, from 0 on."""

    uids: int
    gids: int


class Extractor:
    """Extracts one layer below `root` of `files`, which are those on the disk by default.

    `below` is given for an archive that is no layer: whiteouts are plain names there, and names
    that begin with this path lose it.

    `ids` is given if the process is root of a user namespace. Such a root cannot make device nodes;
    they are left out, as in podman, because a container has its own /dev. It cannot make files of
    ids that the namespace does not have, either.
    """

    def __init__(
        self,
        root: str,
        ids: Ids | None = None,
        files: Files | None = None,
        below: str | None = None,
    ) -> None:
        self._files = files or Disk()
        self._tree = Tree(root, self._files, opaque=OPAQUE if ids is None else USERS_OPAQUE)
        self._ids = ids
        self._below = None if below is None else components(below)
        self._left_out: set[str] = set()

    def extract(self, stream: LayerStream) -> None:
        """Make all entries; BadLayer names the entry that cannot be made."""
        for member in members(stream):
            try:
                self._entry(member, stream)
            except OSError as e:
                if e.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise BadLayer(f"{member.name!r}: {e.strerror or e}") from e
            except ValueError as e:  # a NUL in a name
                raise BadLayer(f"{member.name!r}: {e}") from e
        self._tree.set_times()

    def implied(self) -> list[str]:
        """Return the directories ("/a/b", "" for the root) that are used but not described.

        If there are too many, only the first ones are returned; the others keep the mode from
        unpacking.
        """
        found, length = [], 0
        for path in self._tree.implied()[:MOST_IMPLIED]:
            length += len(path)
            if length > MOST_IMPLIED_LETTERS:
                break
            found.append(path)
        return found

    def _entry(self, member: Member, stream: LayerStream) -> None:
        parts = self._parts(member.name)
        if self._below is None and parts and parts[-1].startswith(_WHITEOUT):
            self._whiteout(parts)
            return
        path = self._tree.place(parts)
        if self._ids is not None and self._is_left_out(path, member, self._ids):
            self._left_out.add(path)
        elif member.type == header.REGULAR:
            self._file(path, member, stream)
        elif member.type == header.DIRECTORY:
            self._directory(path, member)
        elif member.type == header.SYMLINK:
            self._tree.make(path, lambda real: self._files.symlink(member.linkname, real))
            self._attributes(path, member)
        elif member.type == header.HARD_LINK:
            self._hard_link(path, member)
        elif member.type in _SPECIAL:
            self._special(path, member)
        else:
            raise BadLayer(f"{member.name!r} is of the unknown type {chr(member.type)!r}")

    def _parts(self, name: str) -> list[str]:
        """Return the parts of a name in the archive, below the root; BadLayer for `..`."""
        parts = components(name)
        if self._below and parts[: len(self._below)] == self._below:
            return parts[len(self._below) :]
        return parts

    def _is_left_out(self, path: str, member: Member, ids: Ids) -> bool:
        """Return whether the entry is a device, or another name of one."""
        if member.uid >= ids.uids or member.gid >= ids.gids:
            needed = max(member.uid, member.gid) + 1
            raise BadLayer(
                f"{member.name!r} belongs to {member.uid}:{member.gid}: the image needs {needed}"
                f" ids or more, this user has {ids.uids} users and {ids.gids} groups; give it"
                " longer ranges in /etc/subuid and /etc/subgid, and stop its pods before the"
                " next start"
            )
        if member.type == header.HARD_LINK:
            return self._tree.place(self._parts(member.linkname)) in self._left_out
        return member.type in _DEVICES

    def _whiteout(self, parts: list[str]) -> None:
        *directory, mark = parts
        if mark == _OPAQUE_MARK:
            self._tree.make_opaque(self._tree.place([*directory, ""]).rstrip("/"))
        elif not mark.startswith(_AUFS):  # others are internal files of aufs
            hidden = mark.removeprefix(_WHITEOUT)
            if hidden in ("", ".", ".."):
                raise BadLayer(f"{'/'.join(parts)!r} is a whiteout of no name")
            self._tree.white_out(self._tree.place([*directory, hidden]))

    def _file(self, path: str, member: Member, stream: LayerStream) -> None:
        mode, files = member.mode, self._files
        opened: list[int] = []
        self._tree.make(path, lambda real: opened.append(files.open(real, mode)))
        fd = opened[0]
        try:
            if member.sparse is None:
                for piece in stream.content(member.size, path):
                    self._write(fd, piece)
            else:
                self._write_sparse(fd, path, member, stream)
            # The common file, root's and without extras, already has the right mode from open(2).
            if member.uid or member.gid or mode & 0o7000 or self._tree.inherits:
                files.fchown(fd, member.uid, member.gid)
                files.fchmod(fd, mode)
            if member.xattrs:
                self._xattrs(fd, member)
            files.fset_time(fd, member.mtime)
        finally:
            files.close(fd)

    def _directory(self, path: str, member: Member) -> None:
        new = self._tree.directory(path, member.mode)
        real = self._tree.on_disk(path)
        if member.uid or member.gid or member.mode & 0o7000 or not new or self._tree.inherits:
            self._files.chown(real, member.uid, member.gid)
            self._files.chmod(real, member.mode)
        self._tree.inherits |= bool(member.mode & stat.S_ISGID)
        self._xattrs(real, member)
        self._tree.time(path, member.mtime)
        self._tree.describe(path)

    def _hard_link(self, path: str, member: Member) -> None:
        target = self._tree.place(self._parts(member.linkname))
        if target == path:
            return
        source = self._tree.on_disk(target)
        try:
            self._tree.make(path, lambda real: self._files.link(source, real))
        except FileNotFoundError as e:
            raise BadLayer(
                f"{member.name!r} is a hard link to {member.linkname!r}, which is not in the layer"
            ) from e

    def _special(self, path: str, member: Member) -> None:
        mode = _SPECIAL[member.type] | member.mode
        device = os.makedev(*member.device)
        self._tree.make(path, lambda real: self._files.mknod(real, mode, device))
        self._attributes(path, member)

    def _attributes(self, path: str, member: Member) -> None:
        """Set owner, xattrs, mode and time of an entry that is neither a file nor a directory."""
        real = self._tree.on_disk(path)
        self._files.chown(real, member.uid, member.gid)
        self._xattrs(real, member)
        if member.type != header.SYMLINK:
            self._files.chmod(real, member.mode)  # the last component is ours, not a link
        self._files.set_time(real, member.mtime)

    def _xattrs(self, entry: int | str, member: Member) -> None:
        for name, value in member.xattrs.items():
            if name.startswith(_FOREIGN_XATTRS):
                continue
            if self._ids is not None and not name.startswith(_USERS_XATTRS):
                continue
            try:
                if isinstance(entry, int):
                    self._files.fsetxattr(entry, name, value)
                else:
                    self._files.setxattr(entry, name, value)
            except OSError as e:
                # The file system does not support it, or the kernel refuses user.* on such an
                # entry.
                special = member.type not in (header.REGULAR, header.DIRECTORY)
                if e.errno != errno.ENOTSUP and not (e.errno == errno.EPERM and special):
                    raise

    def _write(self, file: int, piece: memoryview) -> None:
        while piece:
            piece = piece[self._files.write(file, piece) :]

    def _write_sparse(self, file: int, path: str, member: Member, stream: LayerStream) -> None:
        end, size = 0, member.size
        self._files.ftruncate(file, size)
        for offset, length in member.sparse or ():
            if offset < end or length < 0 or offset + length > size:
                raise BadLayer("a map of a sparse file that overlaps or is larger than the file")
            end = offset + length
            self._files.lseek(file, offset)
            for piece in stream.content(length, path, offset):
                self._write(file, piece)
