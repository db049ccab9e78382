"""Opens files below a directory that others write to, by descriptors alone.

No symbolic link is followed on the way, no other mount is entered, and nothing outside is reached.
A descriptor holds the object: another object cannot take its place before it is used.
"""

import errno
import os

from cri_shim.linux import syscalls

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_STAY = (
    syscalls.RESOLVE_BENEATH
    | syscalls.RESOLVE_NO_SYMLINKS
    | syscalls.RESOLVE_NO_MAGICLINKS
    | syscalls.RESOLVE_NO_XDEV
)
# The object of a moment ago is gone now, or a link or a mount is in its place.
ANOTHER_THING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})


def top(path: syscalls.StrPath) -> int:
    """Open the directory itself, for the other functions; a link to a directory is refused."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def directory(above: int, path: syscalls.StrPath) -> int:
    """Open a directory for reading; OSError, one of ANOTHER_THING if there is none to enter."""
    return syscalls.openat2(above, path or ".", _DIRECTORY, _STAY)


def handle(above: int, path: syscalls.StrPath) -> int:
    """Return a handle of any object, also of a link, without opening it; OSError as above."""
    return syscalls.openat2(above, path or ".", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, _STAY)


def reader(handle: int) -> int:
    """Open the regular file that a handle names, for reading."""
    return os.open(named(handle), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def named(handle: int) -> str:
    """Return a path of the object of a handle, for calls that take no handle."""
    return f"/proc/self/fd/{handle}"
