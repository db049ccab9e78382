"""A directory as the members of a tar: modes, owners, times, links, devices, attributes.

The order is depth first, with names sorted as bytes. A container may change the directory
meanwhile: entries that vanish are left out.
"""
# One os call for each entry: a Path for each would double the time.
# ruff: noqa: PTH115, PTH208

import errno
import os
import stat
from collections.abc import Generator, Iterator, Sequence

from cri_shim.linux.syscalls import NOBODY
from cri_shim.store.pack import header
from cri_shim.store.pack.header import Member
from cri_shim.store.trees import overlay
from cri_shim.store.unpack.failure import BadLayer

Members = Iterator[tuple[Member, bytes]]  # each with the path of its data, or b"" if it has none
Found = Generator[tuple[Member, bytes], None, bool]  # returns whether entries are below

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
    """The tree below `root`, without `root` itself, as it is.

    `ranges` map the node's users and groups to ids of the image, each by its first id and its
    length; without them the ids are not changed. With `top`, a path below `root`, only that entry
    and the tree below it are members.
    """

    def __init__(self, root: bytes, ranges: Sequence[tuple[int, int]], *, top: bytes = b"") -> None:
        self.root = root
        self.top = top
        self.ranges = ranges
        # Files with several names: the first name, and how many are still to come.
        self._linked: dict[tuple[int, int], tuple[bytes, int]] = {}

    def members(self) -> Members:
        pending = [iter([self.top]) if self.top else self._below(b"")]
        while pending:
            path = next(pending[-1], None)
            if path is None:
                pending.pop()
            elif (yield from self.entry(path)):
                yield from self.marks(path)
                pending.append(self._below(path))

    def entry(self, path: bytes) -> Found:
        """Yield the member of a path, if it can be one; return whether it is a directory."""
        real, name = self.real(path), path[1:]
        try:
            status = os.lstat(real)
            if stat.S_IFMT(status.st_mode) not in _TYPES:
                return False
            is_directory = stat.S_ISDIR(status.st_mode)
            slash = b"/" if is_directory else b""
            member = self.member(name + slash, status, self.attributes(real))
            if stat.S_ISLNK(status.st_mode):
                member.linkname = os.readlink(real)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not is_directory and status.st_nlink > 1:
            first = self._first_name(status, name)
            if first != name:
                member.type, member.linkname, member.size = header.HARD_LINK, first, 0
                member.xattrs = {}
        yield member, real if member.size else b""
        return is_directory

    def marks(self, path: bytes) -> Members:
        """Yield what comes between a directory and the entries in it."""
        yield from ()

    def attribute(self, real: bytes, name: str, value: bytes) -> bytes | None:
        """Return an extended attribute as the tar has it; None if it has no such attribute."""
        return None if name == overlay.LABEL else value

    def real(self, path: bytes) -> bytes:
        if len(path) > _LONGEST:
            raise BadLayer(
                f"File name too long: {path[:100]!r}... has {len(path)} bytes, an image can hold"
                f" {_LONGEST} at most: remove what is so deep"
            )
        return self.root + path or b"/"

    def member(self, name: bytes, status: os.stat_result, attributes: dict[str, bytes]) -> Member:
        return Member(
            name,
            _TYPES[stat.S_IFMT(status.st_mode)],
            stat.S_IMODE(status.st_mode),
            *self.owner(status),
            status.st_size if stat.S_ISREG(status.st_mode) else 0,
            status.st_mtime_ns,
            device=(os.major(status.st_rdev), os.minor(status.st_rdev)),
            xattrs=attributes,
        )

    def owner(self, status: os.stat_result) -> tuple[int, int]:
        """Return user and group, as ids of the image."""
        if not self.ranges:
            return status.st_uid, status.st_gid
        users, groups = self.ranges
        return _inside(status.st_uid, *users), _inside(status.st_gid, *groups)

    def attributes(self, real: bytes) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        try:
            for name in os.listxattr(real, follow_symlinks=False):
                value = os.getxattr(real, name, follow_symlinks=False)
                if (kept := self.attribute(real, name, value)) is not None:
                    found[name] = kept
        except OSError as e:
            if e.errno not in (errno.ENOTSUP, errno.ENODATA):  # not supported; removed just now
                raise
        return found

    def _below(self, directory: bytes) -> Iterator[bytes]:
        try:
            names = os.listdir(self.real(directory))
        except (FileNotFoundError, NotADirectoryError):
            return
        names.sort()
        for name in names:
            yield b"%s/%s" % (directory, name)

    def _first_name(self, status: os.stat_result, name: bytes) -> bytes:
        """Return the name that the file already has in the tar, or `name` if it is new."""
        key = status.st_dev, status.st_ino
        first, more = self._linked.pop(key, (name, status.st_nlink))
        if more > 1:
            self._linked[key] = first, more - 1
        return first


def _inside(id: int, first: int, length: int) -> int:
    return id - first if first <= id < first + length else NOBODY
