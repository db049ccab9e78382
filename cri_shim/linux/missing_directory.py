"""Makes a directory that does not exist, with the directories above it.

Others may be able to write to the directories above, and replace a name there at any time. So each
directory is made in the open one above it, and opened without following a symbolic link.
"""

import errno
import os
import posixpath
from contextlib import suppress

from cri_shim.linux import syscalls

_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS


def make(path: str) -> None:
    """Make the missing part of an absolute path, with mode 0755; success if nothing is missing.

    Symbolic links in the part that exists are followed. OSError; ELOOP if a symbolic link is in the
    place of a missing name. It sets the umask: call it in a process of its own.
    """
    fd, missing = _nearest(path)
    os.umask(0o022)
    try:
        for name in missing:
            with suppress(FileExistsError):  # another one has made it
                os.mkdir(name, 0o755, dir_fd=fd)
            below = _opened(fd, name, path)
            os.close(fd)
            fd = below
    finally:
        os.close(fd)


def _nearest(path: str) -> tuple[int, list[str]]:
    """Return the nearest directory that exists, open, and the names below it that are missing."""
    missing: list[str] = []
    while True:
        try:
            resolve = syscalls.RESOLVE_NO_MAGICLINKS
            return syscalls.openat2(syscalls.AT_FDCWD, path, _FLAGS, resolve), missing
        except FileNotFoundError:
            path, name = posixpath.split(path)
            missing[:0] = [name] if name else []


def _opened(directory: int, name: str, path: str) -> int:
    try:
        return syscalls.openat2(directory, name, _FLAGS, _BELOW)
    except OSError as e:
        if e.errno != errno.ELOOP:
            raise
        problem = f"a symbolic link at {name!r} leads to nothing"
        raise OSError(errno.ELOOP, problem, path) from None
