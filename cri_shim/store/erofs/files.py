"""A tree of files in memory with the calls of `os` that the unpacking makes, see unpack/files.py.

The contents of regular files go to the file system's blocks at once. Errors are those that ext4
would give. What an EROFS cannot have, or what depends on the kernel's rules, is Unsuited: such a
layer is unpacked to a directory.
"""

import errno
import os
import stat
from typing import NoReturn, TypeAlias

from cri_shim.store.erofs import structs
from cri_shim.store.erofs.blocks import Blocks

_PATH_MAX = 4096
_XATTR_VALUE_MAX = 0xFFFF
_CAPABILITY_SIZES = {0x02000000: 20, 0x03000000: 24}  # by revision
_CAPABILITY_EFFECTIVE = 1  # a flag beside the revision
_MOST_CHUNKS = 1 << 16  # of one sparse file
_LARGEST_CHUNK = 1 << 24  # bytes

Body: TypeAlias = "dict[str, Inode] | str | int | Contents"


class Unsuited(Exception):
    """The layer needs something that EROFS does not have."""


class Contents:
    """The place of a regular file's contents; `chunks` are blocks by number, without the holes."""

    __slots__ = ("block", "chunk", "chunks", "size")

    def __init__(self) -> None:
        self.size = 0
        self.block = 0
        self.chunk = 0  # bytes; 0: the contents are in one piece from `block` on
        self.chunks: dict[int, int] = {}


class Inode:
    """A file of any type; `body` has a directory's entries, a link's target, a device's number."""

    __slots__ = ("body", "gid", "links", "mode", "mtime", "nid", "uid", "xattrs")

    def __init__(self, mode: int, body: Body) -> None:
        self.mode = mode
        self.body = body
        self.uid = self.gid = self.mtime = 0
        self.links = self.nid = 0  # known when the tree is written
        self.xattrs: dict[bytes, bytes] | None = None


class Files:
    def __init__(self, blocks: Blocks) -> None:
        top: dict[str, Inode] = {}
        self.root = Inode(stat.S_IFDIR | 0o755, top)
        self._blocks = blocks
        self._directories = {"": top}
        self._open = Contents()  # of the one file that is open
        self._opened = self.root
        self._position = 0

    # -- looking ------------------------------------------------------------------------------

    def mode(self, path: str) -> int:
        return self._inode(path).mode

    def readlink(self, path: str) -> str:
        target = self._inode(path).body
        if not isinstance(target, str):
            _fail(errno.EINVAL, path)
        return target

    def _inode(self, path: str) -> Inode:
        directory, _, name = path.rpartition("/")
        if not name:
            return self.root
        found = self._directories.get(directory)
        inode = found.get(name) if found is not None else None
        if inode is None:
            _fail(errno.ENOENT, path)
        return inode

    # -- making -------------------------------------------------------------------------------

    def mkdir(self, path: str, mode: int) -> None:
        entries: dict[str, Inode] = {}
        self._add(path, Inode(stat.S_IFDIR | mode & 0o1777, entries))
        self._directories[path] = entries

    def symlink(self, target: str, path: str) -> None:
        raw = os.fsencode(target)
        if not raw:
            _fail(errno.ENOENT, path)
        if b"\0" in raw:
            raise ValueError("embedded null character in target")
        if len(raw) >= _PATH_MAX:
            _fail(errno.ENAMETOOLONG, path)
        self._add(path, Inode(stat.S_IFLNK | 0o777, target))

    def link(self, source: str, path: str) -> None:
        inode = self._inode(source)
        entries, name = self._free(path)
        if stat.S_ISDIR(inode.mode):
            _fail(errno.EPERM, path)
        entries[name] = inode

    def mknod(self, path: str, mode: int, device: int) -> None:
        number = structs.device(os.major(device), os.minor(device))
        self._add(path, Inode(mode, number))

    def _add(self, path: str, inode: Inode) -> None:
        entries, name = self._free(path)
        entries[name] = inode

    def _free(self, path: str) -> tuple[dict[str, Inode], str]:
        """Return a directory and a new name in it."""
        directory, _, name = path.rpartition("/")
        if "\0" in name:
            raise ValueError("embedded null byte")
        size = len(name) if name.isascii() else len(os.fsencode(name))
        if size > structs.NAME_MAX or len(path) + size - len(name) >= _PATH_MAX:
            _fail(errno.ENAMETOOLONG, path)
        entries = self._directories.get(directory)
        if entries is None:
            _fail(errno.ENOENT, path)
        if not name or name in entries:
            _fail(errno.EEXIST, path)
        return entries, name

    def unlink(self, path: str) -> None:
        directory, _, name = path.rpartition("/")
        del self._directories[directory][name]

    def remove_tree(self, path: str) -> None:
        self.unlink(path)
        pending = [path]
        while pending:
            top = pending.pop()
            for name, inode in self._directories.pop(top).items():
                if stat.S_ISDIR(inode.mode):
                    pending.append(f"{top}/{name}")

    # -- attributes ---------------------------------------------------------------------------

    def chown(self, path: str, uid: int, gid: int) -> None:
        inode = self._inode(path)
        inode.uid, inode.gid = uid, gid

    def chmod(self, path: str, mode: int) -> None:
        inode = self._inode(path)
        inode.mode = stat.S_IFMT(inode.mode) | mode & 0o7777

    def set_time(self, path: str, mtime: int) -> None:
        self._inode(path).mtime = mtime

    def setxattr(self, path: str, name: str, value: bytes) -> None:
        self._set_xattr(self._inode(path), name, value)

    def _set_xattr(self, inode: Inode, name: str, value: bytes) -> None:
        raw = os.fsencode(name)
        if b"\0" in raw:
            raise ValueError("embedded null byte")
        if name.startswith("system.posix_acl_"):
            raise Unsuited("it has access control lists, whose rules the kernel applies")
        if len(raw) > structs.NAME_MAX:
            _fail(errno.ERANGE, name)
        if not structs.is_known_xattr(raw):
            _fail(errno.ENOTSUP, name)
        if raw.endswith(b".") and raw.count(b".") == 1:
            _fail(errno.EINVAL, name)
        if name.startswith("user.") and not (stat.S_ISREG(inode.mode) or stat.S_ISDIR(inode.mode)):
            _fail(errno.EPERM, name)
        if len(value) > _XATTR_VALUE_MAX:
            _fail(errno.E2BIG, name)
        if name == "security.capability" and not _is_capability(value):
            _fail(errno.EINVAL, name)
        inode.xattrs = {**(inode.xattrs or {}), raw: value}
        if len(structs.xattrs(inode.xattrs)) > structs.MOST_XATTRS:
            raise Unsuited("a file has too many extended attributes")

    # -- contents -----------------------------------------------------------------------------

    def open(self, path: str, mode: int) -> int:
        """Make a file and open it; one is open at a time."""
        self._open = Contents()
        self._opened = Inode(stat.S_IFREG | mode & 0o7777, self._open)
        self._position = 0
        self._add(path, self._opened)
        self._open.block = self._blocks.block
        return 0

    def ftruncate(self, file: int, size: int) -> None:
        """Set the size of a new file, in which holes will be."""
        assert not self._position
        chunk = structs.BLOCK
        while size > chunk * _MOST_CHUNKS:
            chunk *= 2
        if chunk > _LARGEST_CHUNK:
            raise Unsuited(f"a sparse file of {size} bytes")
        self._open.size, self._open.chunk = size, chunk

    def lseek(self, file: int, position: int) -> None:
        chunk = self._open.chunk
        if position // chunk == self._position // chunk:
            self._gap(position - self._position)
        else:
            self._end_chunk()
            self._position = position - position % chunk
            self._gap(position % chunk)

    def _gap(self, size: int) -> None:
        """Write zeros; the chunk in which they are will have data."""
        while size:
            piece = min(size, structs.BLOCK)
            self.write(0, bytes(piece))
            size -= piece

    def write(self, file: int, data: "bytes | memoryview") -> int:
        opened = self._open
        if not opened.chunk:
            self._blocks.write(data)
            opened.size += len(data)
            return len(data)
        number, within = divmod(self._position, opened.chunk)
        if not within and len(data):
            opened.chunks[number] = self._blocks.block
        piece = data[: opened.chunk - within]
        self._blocks.write(piece)
        self._position += len(piece)
        return len(piece)

    def _end_chunk(self) -> None:
        """Fill the chunk that has been begun."""
        chunk = self._open.chunk
        if chunk and self._position % chunk:
            self._blocks.zeros(-self._position % chunk)

    def fchown(self, file: int, uid: int, gid: int) -> None:
        self._opened.uid, self._opened.gid = uid, gid

    def fchmod(self, file: int, mode: int) -> None:
        self._opened.mode = stat.S_IFREG | mode & 0o7777

    def fset_time(self, file: int, mtime: int) -> None:
        self._opened.mtime = mtime

    def fsetxattr(self, file: int, name: str, value: bytes) -> None:
        self._set_xattr(self._opened, name, value)

    def close(self, file: int) -> None:
        self._end_chunk()
        self._blocks.pad()


def _is_capability(value: bytes) -> bool:
    revision = int.from_bytes(value[:4], "little") & ~_CAPABILITY_EFFECTIVE
    return len(value) == _CAPABILITY_SIZES.get(revision)


def _fail(code: int, path: str) -> NoReturn:
    raise OSError(code, os.strerror(code), path)
