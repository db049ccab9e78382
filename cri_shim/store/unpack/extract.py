"""From the members of an archive to entries with owner, mode, xattrs and times.

Order matters: changing the owner drops set-uid bits and file capabilities, so xattrs and mode come
after it; times come last, those of directories after everything, because what is made inside them
changes theirs.
"""

import errno
import os
import stat
import tarfile

from cri_shim.store.unpack.archive import members
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import LayerStream
from cri_shim.store.unpack.tree import Tree, components

_WHITEOUT, _OPAQUE_MARK, _AUFS = ".wh.", ".wh..wh..opq", ".wh..wh."
_XATTR = "SCHILY.xattr."
# A layer must not speak overlayfs's private language: redirects, metacopies, opaque marks.
_FOREIGN_XATTRS = ("trusted.overlay.", "user.overlay.")
_BLOCK = 4096  # bytes a file's size is rounded up to: what it takes of most disks
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TIME_LIMIT_S = 1 << 62  # beyond it no 64-bit time_t can be


class Extractor:
    """Extracts one layer below `root`. `size` is about what it takes of the disk, in bytes."""

    def __init__(self, root: str) -> None:
        self._tree = Tree(root)
        self._directory_times: dict[str, int] = {}
        self.size = 0

    @property
    def inodes(self) -> int:
        return self._tree.inodes

    def extract(self, stream: LayerStream) -> None:
        """Make every entry; BadLayer naming the one that cannot be."""
        for member in members(stream):
            try:
                self._entry(member, stream)
            except OSError as e:
                if e.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise BadLayer(f"{member.name!r}: {e.strerror or e}") from e
            except ValueError as e:  # a NUL in a name
                raise BadLayer(f"{member.name!r}: {e}") from e
        for path, mtime in reversed(self._directory_times.items()):
            os.utime(self._tree.on_disk(path), ns=(mtime, mtime))

    def _entry(self, member: tarfile.TarInfo, stream: LayerStream) -> None:
        parts = components(member.name)
        if parts and parts[-1].startswith(_WHITEOUT):
            self._whiteout(parts)
            return
        path = self._tree.place(parts)
        if member.isreg():
            self._file(path, member, stream)
        elif member.isdir():
            self._directory(path, member)
        elif member.issym():
            self._tree.make(path, lambda real: os.symlink(member.linkname, real))
            self._attributes(path, member)
        elif member.islnk():
            self._hard_link(path, member)
        elif member.ischr() or member.isblk() or member.isfifo():
            self._special(path, member)
        else:
            raise BadLayer(f"{member.name!r} is of the unknown type {member.type!r}")

    def _whiteout(self, parts: list[str]) -> None:
        *directory, mark = parts
        if mark == _OPAQUE_MARK:
            self._tree.make_opaque(self._tree.place([*directory, ""]).rstrip("/"))
        elif not mark.startswith(_AUFS):  # else: bookkeeping of aufs, nobody's file
            hidden = mark.removeprefix(_WHITEOUT)
            if hidden in ("", ".", ".."):
                raise BadLayer(f"{'/'.join(parts)!r} is a whiteout of no name")
            self._tree.white_out(self._tree.place([*directory, hidden]))

    def _file(self, path: str, member: tarfile.TarInfo, stream: LayerStream) -> None:
        mode = member.mode & 0o7777
        opened: list[int] = []
        self._tree.make(path, lambda real: opened.append(os.open(real, _NEW_FILE, mode)))
        fd = opened[0]
        try:
            sparse = getattr(member, "sparse", None)
            if sparse is None:
                for piece in stream.pieces(member.size):
                    _write(fd, piece)
            else:
                _write_sparse(fd, member.size, sparse, stream)
            # The common file, root's and without extras, is as open(2) made it.
            if member.uid or member.gid or mode & 0o7000:
                os.fchown(fd, member.uid, member.gid)
                os.fchmod(fd, mode)
            if member.pax_headers:
                self._xattrs(fd, member)
            mtime = _mtime(member)
            os.utime(fd, ns=(mtime, mtime))
        finally:
            os.close(fd)
        self.size += -(-member.size // _BLOCK) * _BLOCK

    def _directory(self, path: str, member: tarfile.TarInfo) -> None:
        new = self._tree.directory(path, member.mode & 0o7777)
        real = self._tree.on_disk(path)
        if member.uid or member.gid or member.mode & 0o7000 or not new:
            os.chown(real, member.uid, member.gid, follow_symlinks=False)
            os.chmod(real, member.mode & 0o7777)
        self._xattrs(real, member)
        self._directory_times.pop(path, None)
        self._directory_times[path] = _mtime(member)
        self.size += _BLOCK

    def _hard_link(self, path: str, member: tarfile.TarInfo) -> None:
        target = self._tree.place(components(member.linkname))
        if target == path:
            return
        source = self._tree.on_disk(target)
        try:
            self._tree.make(path, lambda real: os.link(source, real, follow_symlinks=False))
        except FileNotFoundError as e:
            raise BadLayer(
                f"{member.name!r} is a hard link to {member.linkname!r}, which is not in the layer"
            ) from e

    def _special(self, path: str, member: tarfile.TarInfo) -> None:
        kind = stat.S_IFIFO
        if not member.isfifo():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        mode = kind | (member.mode & 0o7777)
        device = 0 if member.isfifo() else os.makedev(member.devmajor, member.devminor)
        self._tree.make(path, lambda real: os.mknod(real, mode, device))
        self._attributes(path, member)

    def _attributes(self, path: str, member: tarfile.TarInfo) -> None:
        """Owner, xattrs, mode and time of what is neither file nor directory."""
        real = self._tree.on_disk(path)
        os.chown(real, member.uid, member.gid, follow_symlinks=False)
        self._xattrs(real, member)
        if not member.issym():
            os.chmod(real, member.mode & 0o7777)  # the last component is ours, not a link
        mtime = _mtime(member)
        os.utime(real, ns=(mtime, mtime), follow_symlinks=False)

    def _xattrs(self, entry: int | str, member: tarfile.TarInfo) -> None:
        for key, text in member.pax_headers.items():
            if not key.startswith(_XATTR):
                continue
            name = key.removeprefix(_XATTR)
            if name.startswith(_FOREIGN_XATTRS):
                continue
            value = text.encode("utf-8", "surrogateescape")
            try:
                if isinstance(entry, int):
                    os.setxattr(entry, name, value)
                else:
                    os.setxattr(entry, name, value, follow_symlinks=False)
            except OSError as e:
                # This file system cannot hold it, or the kernel takes no user.* on such an entry.
                special = not (member.isreg() or member.isdir())
                if e.errno != errno.ENOTSUP and not (e.errno == errno.EPERM and special):
                    raise


def _write(fd: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(fd, piece) :]


def _write_sparse(fd: int, size: int, sparse: list[tuple[int, int]], stream: LayerStream) -> None:
    end = 0
    for offset, length in sparse:
        if offset < end or length < 0 or offset + length > size:
            raise BadLayer("a map of a sparse file that overlaps or is larger than the file")
        end = offset + length
        os.lseek(fd, offset, os.SEEK_SET)
        for piece in stream.pieces(length):
            _write(fd, piece)
    os.ftruncate(fd, size)


def _mtime(member: tarfile.TarInfo) -> int:
    """Nanoseconds since the epoch, exactly: tarfile's float has lost the last digits."""
    text = member.pax_headers.get("mtime")
    if text is None:
        seconds, nanoseconds = int(member.mtime), 0
    else:
        whole, _, fraction = text.partition(".")
        try:
            seconds, nanoseconds = int(whole or "0"), int((fraction + "0" * 9)[:9])
        except ValueError as e:
            raise BadLayer(f"{member.name!r}: {text!r} is no time") from e
        if whole.startswith("-"):
            nanoseconds = -nanoseconds
    if abs(seconds) > _TIME_LIMIT_S // 10**9:
        raise BadLayer(f"{member.name!r}: {seconds} is no time")
    return seconds * 10**9 + nanoseconds
