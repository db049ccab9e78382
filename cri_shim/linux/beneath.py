"""Open what is below a directory that others write to, by descriptors alone.

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
# What was there a moment ago is gone, or a link, or a mount, by now.
ANOTHER_THING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})


def top(path: syscalls.StrPath) -> int:
    """The directory itself, to be given to the others; a link to one is none."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def directory(above: int, path: syscalls.StrPath) -> int:
    """Open a directory for reading; OSError, one of ANOTHER_THING where there is none to enter."""
    return syscalls.openat2(above, path or ".", _DIRECTORY, _STAY)


def handle(above: int, path: syscalls.StrPath) -> int:
    """A handle of anything, links too, which names it and opens nothing; OSError as above."""
    return syscalls.openat2(above, path or ".", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, _STAY)


def reader(handle: int) -> int:
    """Open the regular file that a handle names, for reading."""
    return os.open(named(handle), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def named(handle: int) -> str:
    """A path that is the object of a handle, for calls that take no handle."""
    return f"/proc/self/fd/{handle}"
