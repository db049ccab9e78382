"""What unpacking does with files, as calls of `os`: on the disk, or in another tree of files."""

import os
from typing import Protocol

from cri_shim.linux.remove import remove_tree

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Files(Protocol):
    """No call follows a symbolic link in the last component; OSError as of `os`."""

    def mode(self, path: str, /) -> int: ...
    def readlink(self, path: str, /) -> str: ...
    def mkdir(self, path: str, mode: int, /) -> None: ...
    def symlink(self, target: str, path: str, /) -> None: ...
    def link(self, source: str, path: str, /) -> None: ...
    def mknod(self, path: str, mode: int, device: int, /) -> None: ...
    def unlink(self, path: str, /) -> None: ...
    def remove_tree(self, path: str, /) -> None: ...
    def chown(self, path: str, uid: int, gid: int, /) -> None: ...
    def chmod(self, path: str, mode: int, /) -> None: ...
    def set_time(self, path: str, mtime: int, /) -> None: ...
    def setxattr(self, path: str, name: str, value: bytes, /) -> None: ...
    def open(self, path: str, mode: int, /) -> int: ...
    def ftruncate(self, file: int, size: int, /) -> None: ...
    def lseek(self, file: int, position: int, /) -> None: ...
    def write(self, file: int, data: memoryview, /) -> int: ...
    def fchown(self, file: int, uid: int, gid: int, /) -> None: ...
    def fchmod(self, file: int, mode: int, /) -> None: ...
    def fset_time(self, file: int, mtime: int, /) -> None: ...
    def fsetxattr(self, file: int, name: str, value: bytes, /) -> None: ...
    def close(self, file: int, /) -> None: ...


class Disk:
    """The files that this process sees. A path to `chmod` is no symbolic link."""

    readlink = staticmethod(os.readlink)
    mkdir = staticmethod(os.mkdir)
    symlink = staticmethod(os.symlink)
    mknod = staticmethod(os.mknod)
    unlink = staticmethod(os.unlink)
    chmod = staticmethod(os.chmod)
    ftruncate = staticmethod(os.ftruncate)
    write = staticmethod(os.write)
    fchown = staticmethod(os.fchown)
    fchmod = staticmethod(os.fchmod)
    fsetxattr = staticmethod(os.setxattr)
    close = staticmethod(os.close)

    @staticmethod
    def mode(path: str) -> int:
        return os.lstat(path).st_mode

    @staticmethod
    def remove_tree(path: str) -> None:
        remove_tree(path)

    @staticmethod
    def link(source: str, path: str) -> None:
        os.link(source, path, follow_symlinks=False)

    @staticmethod
    def chown(path: str, uid: int, gid: int) -> None:
        os.chown(path, uid, gid, follow_symlinks=False)

    @staticmethod
    def set_time(path: str, mtime: int) -> None:
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)

    @staticmethod
    def setxattr(path: str, name: str, value: bytes) -> None:
        os.setxattr(path, name, value, follow_symlinks=False)

    @staticmethod
    def open(path: str, mode: int) -> int:
        return os.open(path, _NEW_FILE, mode)

    @staticmethod
    def lseek(file: int, position: int) -> None:
        os.lseek(file, position, os.SEEK_SET)

    @staticmethod
    def fset_time(file: int, mtime: int) -> None:
        os.utime(file, ns=(mtime, mtime))
