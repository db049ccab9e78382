"""A tree of files as a tar: modes, owners, times, links, devices and extended attributes.

Whoever is still writing to the tree may swap what is looked at for something else at any moment. So
each entry is held by a descriptor before it is asked what it is, no symbolic link is followed, and
no other mount is entered. What vanishes meanwhile is left out; sockets are, too, as a tar has none.
"""

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from cri_shim.linux import syscalls

_CHUNK = 1 << 20  # bytes
_LABEL = "security.selinux"  # this machine's, not the tree's
# What was there a moment ago is gone, or a link, or a mount, by now.
_ANOTHER_THING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
_STAY = (
    syscalls.RESOLVE_BENEATH
    | syscalls.RESOLVE_NO_SYMLINKS
    | syscalls.RESOLVE_NO_MAGICLINKS
    | syscalls.RESOLVE_NO_XDEV
)
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


class Stopped(Exception):
    """Nobody wants the tar any more."""


def write(
    root: syscalls.StrPath,
    to: BinaryIO,
    owner: Callable[[int], int] = lambda id: id,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Write the tree below `root`, itself left out, in the order of its names. Blocks.

    `owner` gives what an owner on the disk is in the tar. OSError names what cannot be read;
    Stopped as soon as `stopped()`.
    """
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with tarfile.open(
            fileobj=to, mode="w|", format=tarfile.PAX_FORMAT, errors="surrogateescape"
        ) as tar:
            tar.copybufsize = _CHUNK  # type: ignore[attr-defined]
            writer = _Writer(top, tar, owner, stopped)
            pending = writer.names("")
            while pending:  # what is in a directory right behind it, as tar expects
                path = pending.pop()
                if writer.entry(path):
                    pending += writer.names(path)
    finally:
        os.close(top)


class _Writer:
    def __init__(
        self,
        top: int,
        tar: tarfile.TarFile,
        owner: Callable[[int], int],
        stopped: Callable[[], bool],
    ) -> None:
        self._top = top
        self._tar = tar
        self._owner = owner
        self._stopped = stopped
        self._first_name: dict[tuple[int, int], str] = {}  # of what has several

    def names(self, path: str) -> list[str]:
        """The paths of what is in a directory, last first."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            directory = syscalls.openat2(self._top, path or ".", flags, _STAY)
        except OSError as e:
            if e.errno in _ANOTHER_THING:
                return []
            raise
        try:
            found = sorted(os.listdir(directory), reverse=True)  # noqa: PTH208 (of a descriptor)
        finally:
            os.close(directory)
        return [f"{path}/{name}" if path else name for name in found]

    def entry(self, path: str) -> bool:
        """Write one entry; whether it is a directory to be looked into."""
        if self._stopped():
            raise Stopped
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = syscalls.openat2(self._top, path, flags, _STAY)
        except OSError as e:
            if e.errno in _ANOTHER_THING:
                return False
            raise
        try:
            return self._write(handle, path)
        finally:
            os.close(handle)

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
            first = self._first_name.setdefault((status.st_dev, status.st_ino), path)
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

    def _info(self, status: os.stat_result, kind: bytes, path: str) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.type = kind
        info.mode = stat.S_IMODE(status.st_mode)
        info.uid, info.gid = self._owner(status.st_uid), self._owner(status.st_gid)
        info.mtime, fraction = divmod(status.st_mtime_ns, 10**9)
        if fraction:
            info.pax_headers = {"mtime": f"{info.mtime}.{fraction:09}"}
        if kind == tarfile.REGTYPE:
            info.size = status.st_size
        if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        return info


def _xattrs(handle: int) -> dict[str, str]:
    """As pax headers."""
    found = {}
    where = f"/proc/self/fd/{handle}"  # a handle that only names is not asked itself
    try:
        for name in os.listxattr(where):
            if name != _LABEL:
                value = os.getxattr(where, name)
                found[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
    except OSError as e:
        if e.errno not in (errno.ENOTSUP, errno.ENODATA):  # none here; one that was just removed
            raise
    return found


class _Content:
    """So many bytes of a file: one that has become shorter is filled up with zeros."""

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
    fd = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield _Content(fd, stopped)
    finally:
        os.close(fd)
