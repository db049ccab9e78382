"""A directory that overlayfs has written, as the members of a layer's tar.

The order is depth first, with names sorted as bytes. Private attributes of overlayfs and SELinux
labels of this machine are not part of a layer.
"""
# One os call for each entry: a Path for each would double the time.
# ruff: noqa: PTH115, PTH208

import errno
import os
import stat
import struct
from collections.abc import Iterator, Sequence

from cri_shim.store.pack import header
from cri_shim.store.pack.header import Member
from cri_shim.store.unpack.failure import BadLayer

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
# A renamed directory, or a file whose content is elsewhere: the data here is not complete.
_ELSEWHERE = frozenset(
    f"{prefix}.overlay.{what}"
    for prefix in ("trusted", "user")
    for what in ("redirect", "metacopy")
)
_PRIVATE = ("trusted.overlay.", "user.overlay.", "security.selinux")
_ACL = "system.posix_acl_"
_CAPABILITY = "security.capability"
_WHITEOUT, _OPAQUE_MARK = b".wh.", b".wh..wh..opq"
_REVISION_MASK, _REVISION_2, _REVISION_3 = 0xFF000000, 0x02000000, 0x03000000
_NOBODY = 65534
_LONGEST = 4095  # bytes of a path; the kernel's limit
_TYPES = {
    stat.S_IFREG: header.REGULAR,
    stat.S_IFDIR: header.DIRECTORY,
    stat.S_IFLNK: header.SYMLINK,
    stat.S_IFCHR: header.CHARACTER,
    stat.S_IFBLK: header.BLOCK_DEVICE,
    stat.S_IFIFO: header.FIFO,
}


class Tree:
    """The tree below `root`.

    `ranges` map the node's users and groups to ids of the image, each by its first id and its
    length; without them the ids are not changed.
    """

    def __init__(
        self, root: bytes, ranges: Sequence[tuple[int, int]], hidden: Sequence[bytes]
    ) -> None:
        self._root = root
        self._ranges = ranges
        self._hidden = frozenset(hidden)
        self._links: dict[tuple[int, int], bytes] = {}

    def members(self) -> Iterator[tuple[Member, bytes]]:
        """Yield each member with the path of its data, or b"" if it has none."""
        top = os.lstat(self._root or b"/")
        attributes = self._attributes(b"/", top)
        if attributes or (*self._owner(top), stat.S_IMODE(top.st_mode)) != (0, 0, 0o755):
            yield self._member(b"./", top, attributes), b""
        yield from self._below(b"")

    def _below(self, top: bytes) -> Iterator[tuple[Member, bytes]]:
        pending = [top]
        while pending:
            path = pending.pop()
            if path:
                yield from self._entry(path)
            if path and not stat.S_ISDIR(self._mode(path)):
                continue
            if _is_opaque(self._real(path)):
                yield Member((path + b"/" + _OPAQUE_MARK)[1:]), b""
            names = self._names(path)
            pending += [b"%s/%s" % (path, name) for name in reversed(names)]

    def _names(self, directory: bytes) -> list[bytes]:
        try:
            return sorted(os.listdir(self._real(directory)))
        except (FileNotFoundError, NotADirectoryError):
            return []  # the directory vanished meanwhile: a container may be running

    def _mode(self, path: bytes) -> int:
        try:
            return os.lstat(self._real(path)).st_mode
        except FileNotFoundError:
            return 0

    def _real(self, path: bytes) -> bytes:
        if len(path) > _LONGEST:
            raise BadLayer(
                f"{path[:100]!r}... has {len(path)} bytes, an image can hold {_LONGEST} at most:"
                " remove what is so deep"
            )
        return self._root + path or b"/"

    def _entry(self, path: bytes) -> Iterator[tuple[Member, bytes]]:
        real = self._real(path)
        name, base = path[1:], path.rpartition(b"/")[2]
        try:
            status = os.lstat(real)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                yield Member(name.removesuffix(base) + _WHITEOUT + base), b""
                return
            if base.startswith(_WHITEOUT):
                raise BadLayer(f"{path!r} would become a whiteout in a layer; rename it")
            if stat.S_IFMT(status.st_mode) not in _TYPES or self._is_hidden(path, real, status):
                return
            slash = b"/" if stat.S_ISDIR(status.st_mode) else b""
            member = self._member(name + slash, status, self._attributes(real, status))
            if stat.S_ISLNK(status.st_mode):
                member.linkname = os.readlink(real)
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                member.type, member.linkname, member.size = header.HARD_LINK, first, 0
                member.xattrs = {}
        yield member, real if member.size else b""

    def _is_hidden(self, path: bytes, real: bytes, status: os.stat_result) -> bool:
        if path not in self._hidden:
            return False
        return not os.listdir(real) if stat.S_ISDIR(status.st_mode) else status.st_size == 0

    def _member(self, name: bytes, status: os.stat_result, attributes: dict[str, bytes]) -> Member:
        return Member(
            name,
            _TYPES[stat.S_IFMT(status.st_mode)],
            stat.S_IMODE(status.st_mode),
            *self._owner(status),
            status.st_size if stat.S_ISREG(status.st_mode) else 0,
            status.st_mtime_ns,
            device=(os.major(status.st_rdev), os.minor(status.st_rdev)),
            xattrs=attributes,
        )

    def _owner(self, status: os.stat_result) -> tuple[int, int]:
        """Return user and group, as ids of the image."""
        if not self._ranges:
            return status.st_uid, status.st_gid
        users, groups = self._ranges
        return _inside(status.st_uid, *users), _inside(status.st_gid, *groups)

    def _attributes(self, real: bytes, status: os.stat_result) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        try:
            names = os.listxattr(real, follow_symlinks=False)
        except OSError as e:
            if e.errno == errno.ENOTSUP:
                return found
            raise
        for name in names:
            if name in _ELSEWHERE:
                raise BadLayer(f"{real!r} has {name}: overlayfs keeps a part of it elsewhere")
            # access lists have ids of the node, which mean nothing in an image
            if name.startswith(_PRIVATE) or (self._ranges and name.startswith(_ACL)):
                continue
            value = os.getxattr(real, name, follow_symlinks=False)
            found[name] = _capability(value) if name == _CAPABILITY else value
        return found


def _is_opaque(directory: bytes) -> bool:
    for name in _OPAQUE:
        try:
            if os.getxattr(directory, name, follow_symlinks=False) in (b"y", b"Y"):
                return True
        except OSError as e:
            if e.errno not in (errno.ENODATA, errno.ENOTSUP, errno.ENOENT, errno.EPERM):
                raise
    return False


def _capability(value: bytes) -> bytes:
    """Return a file capability without its user namespace: in an image it is valid everywhere."""
    magic = int.from_bytes(value[:4], "little")
    if magic & _REVISION_MASK != _REVISION_3:
        return value
    return struct.pack("<I", magic & ~_REVISION_MASK | _REVISION_2) + value[4:20]


def _inside(id: int, first: int, length: int) -> int:
    return id - first if first <= id < first + length else _NOBODY
