"""Writes a tree of files as a tar: modes, owners, times, links, devices, extended attributes.

A process that still writes to the tree may replace an entry at any moment. So each entry is opened
before its type is read, no symbolic link is followed, and no other mount is entered. Entries that
vanish meanwhile are left out. Sockets are left out too, because a tar has none.
"""

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO

from cri_shim.linux import beneath, walk
from cri_shim.linux.syscalls import StrPath

MOST_SORTED = 10_000  # names of one directory; a larger one is written in the kernel's order
MOST_LINKED = 100_000  # files with more names to come; beyond this they become files of their own
_CHUNK = 1 << 20  # bytes
_LABEL = "security.selinux"  # belongs to this machine, not to the tree
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


Owner = Callable[[int, int], tuple[int, int]]


class Stopped(Exception):
    """The caller does not need the tar any more."""


def write(
    root: StrPath,
    to: BinaryIO,
    owner: Owner = lambda uid, gid: (uid, gid),
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Write the tree below `root`, without `root` itself, in the order of its names. Blocks.

    `owner` maps user and group on the disk to those in the tar. OSError names the file that cannot
    be read; Stopped as soon as `stopped()` is true.
    """
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    pending: list[Generator[str, None, None]] = []
    try:
        with tarfile.open(
            fileobj=to, mode="w|", format=tarfile.PAX_FORMAT, errors="surrogateescape"
        ) as tar:
            tar.copybufsize = _CHUNK  # type: ignore[attr-defined]
            writer = _Writer(top, tar, owner, stopped)
            pending.append(writer.paths(""))
            while pending:  # entries follow directly after their directory, as tar expects
                path = next(pending[-1], None)
                if path is None:
                    pending.pop()
                elif writer.entry(path):
                    pending.append(writer.paths(path))
    finally:
        for paths in pending:
            paths.close()
        os.close(top)


class _Writer:
    def __init__(
        self,
        top: int,
        tar: tarfile.TarFile,
        owner: Owner,
        stopped: Callable[[], bool],
    ) -> None:
        self._top = top
        self._tar = tar
        self._owner = owner
        self._stopped = stopped
        # Files with several names: the first name, and how many are still to come.
        self._linked: dict[tuple[int, int], tuple[str, int]] = {}

    def paths(self, path: str) -> Generator[str, None, None]:
        """Yield the paths in a directory, in the order of their names if it is not too large."""
        try:
            directory = beneath.directory(self._top, path)
        except OSError as e:
            if e.errno in beneath.ANOTHER_THING:
                return
            raise
        try:
            names = (os.fsdecode(name) for name, _ in walk.names(directory))
            first = list(islice(names, MOST_SORTED + 1))
            if len(first) <= MOST_SORTED:
                first.sort()
            for some in (first, names):
                for name in some:
                    yield f"{path}/{name}" if path else name
        finally:
            os.close(directory)

    def entry(self, path: str) -> bool:
        """Write one entry; return whether it is a directory, whose entries come next."""
        if self._stopped():
            raise Stopped
        try:
            handle = beneath.handle(self._top, path)
        except OSError as e:
            if e.errno in beneath.ANOTHER_THING:
                return False
            raise
        try:
            return self._write(handle, path)
        finally:
            os.close(handle)
            self._tar.members = []  # type: ignore[attr-defined]  # otherwise it keeps all members

    def _write(self, handle: int, path: str) -> bool:
        status = os.fstat(handle)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return False
        info = self._info(status, kind, path)
        info.pax_headers = {**info.pax_headers, **_xattrs(handle)}
        if kind == tarfile.SYMTYPE:
            info.linkname = os.readlink("", dir_fd=handle)
        if kind != tarfile.DIRTYPE and status.st_nlink > 1:
            first = self._first_name(status, path)
            if first != path:
                info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
                self._tar.addfile(info)
                return False
        if kind != tarfile.REGTYPE:
            self._tar.addfile(info)
            return kind == tarfile.DIRTYPE
        with _content(handle, self._stopped) as content:
            self._tar.addfile(info, content)
        return False

    def _first_name(self, status: os.stat_result, path: str) -> str:
        """Return the name that the file already has in the tar, or `path` if it is new."""
        key = status.st_dev, status.st_ino
        first, more = self._linked.pop(key, (path, status.st_nlink))
        if more > 1 and len(self._linked) < MOST_LINKED:
            self._linked[key] = first, more - 1
        return first

    def _info(self, status: os.stat_result, kind: bytes, path: str) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.type = kind
        info.mode = stat.S_IMODE(status.st_mode)
        info.uid, info.gid = self._owner(status.st_uid, status.st_gid)
        info.mtime, fraction = divmod(status.st_mtime_ns, 10**9)
        if fraction:
            info.pax_headers = {"mtime": f"{info.mtime}.{fraction:09}"}
        if kind == tarfile.REGTYPE:
            info.size = status.st_size
        if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        return info


def _xattrs(handle: int) -> dict[str, str]:
    """Return the extended attributes as pax headers."""
    found = {}
    where = beneath.named(handle)  # a path-only handle cannot be read itself
    try:
        for name in os.listxattr(where):
            if name != _LABEL:
                value = os.getxattr(where, name)
                found[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
    except OSError as e:
        if e.errno not in (errno.ENOTSUP, errno.ENODATA):  # not supported; removed just now
            raise
    return found


class _Content:
    """A fixed number of bytes of a file; if it has become shorter, zeros follow."""

    def __init__(self, fd: int, stopped: Callable[[], bool]) -> None:
        self._fd = fd
        self._stopped = stopped

    def read(self, size: int = -1, /) -> bytes:
        if self._stopped():
            raise Stopped
        data = os.read(self._fd, size)
        while 0 < len(data) < size and (more := os.read(self._fd, size - len(data))):
            data += more
        return data.ljust(size, b"\0")


@contextmanager
def _content(handle: int, stopped: Callable[[], bool]) -> Iterator[_Content]:
    fd = beneath.reader(handle)
    try:
        yield _Content(fd, stopped)
    finally:
        os.close(fd)
