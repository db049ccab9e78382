"""Files of a container's root file system, opened from the host.

The container writes that tree: every symbolic link in it is resolved as if `root` were "/", and
nothing in it may make the daemon wait or read without end.
"""

import errno
import os
import posixpath
import stat
from contextlib import suppress
from pathlib import Path

from cri_shim.linux import syscalls

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_LINKS = 8  # dangling symlinks that are followed, one to another
_TRIES = 8  # EAGAIN: a rename went on elsewhere, the kernel could not be sure about a ".."


def open_in_root(root: syscalls.StrPath, path: str, flags: int) -> int:
    """Open `path` inside `root`, as a process with that root would; the caller closes it.

    Never waits for the other end of a FIFO. Raises OSError naming the path; ELOOP for a magic
    link (/proc/PID/fd and the like), which would lead outside.
    """
    top = _open_root(root)
    try:
        return _open_below(top, path, flags)
    finally:
        os.close(top)


def real_path_in_root(root: syscalls.StrPath, path: str) -> Path:
    """Where `path` inside `root` really is, seen from the host. Raises OSError."""
    handle = open_in_root(root, path, os.O_PATH)
    try:
        return Path(f"/proc/self/fd/{handle}").readlink()
    finally:
        os.close(handle)


def _open_root(root: syscalls.StrPath) -> int:
    return os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _open_below(top: int, path: str, flags: int) -> int:
    flags |= os.O_CLOEXEC
    if not flags & os.O_PATH:  # which takes few other flags, and opens nothing
        flags |= os.O_NONBLOCK | os.O_NOCTTY
    resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            return syscalls.openat2(top, path, flags, resolve)
    return syscalls.openat2(top, path, flags, resolve)


def make_directory_in_root(root: syscalls.StrPath, path: str) -> Path:
    """Have a directory at `path` inside `root`, and those above it; where it really is.

    For a tree in which nothing runs yet. Raises OSError: ENOTDIR, EEXIST for what is no directory.
    """
    top = _open_root(root)
    try:
        handle = _made(top, path, _LINKS)
        try:
            return Path(f"/proc/self/fd/{handle}").readlink()
        finally:
            os.close(handle)
    finally:
        os.close(top)


def _made(top: int, path: str, links: int) -> int:
    flags = os.O_PATH | os.O_DIRECTORY
    clean = posixpath.normpath("/" + path.lstrip("/"))
    try:
        return _open_below(top, clean, flags)
    except FileNotFoundError:
        above, name = posixpath.split(clean)
    parent = _made(top, above, links)
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:  # a symlink to what is not there
        if not links:
            raise
        target = os.readlink(name, dir_fd=parent)
        return _made(top, posixpath.join(above, target), links - 1)
    finally:
        os.close(parent)
    return _open_below(top, clean, flags)


def read_text_in_root(root: syscalls.StrPath, path: str, limit: int) -> str:
    """The text of a regular file inside `root`; "" when there is none.

    Raises OSError: EFBIG for a file above `limit` bytes, EINVAL for what is not a regular file.
    """
    fd = _open_regular(root, path)
    if fd is None:
        return ""
    with os.fdopen(fd, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)
    return data.decode(errors="replace")


def read_head_in_root(
    root: syscalls.StrPath, path: str, size: int, *, executable: bool = False
) -> bytes | None:
    """The first bytes of a regular file inside `root`; None when there is no such file.

    With `executable`, a file that nobody may execute is none.
    """
    try:
        fd = _open_regular(root, path)
    except OSError as e:
        if e.errno == errno.EINVAL:
            return None
        raise
    if fd is None:
        return None
    with os.fdopen(fd, "rb") as file:
        if executable and not os.fstat(fd).st_mode & 0o111:
            return None
        return file.read(size)


def _open_regular(root: syscalls.StrPath, path: str) -> int | None:
    """A regular file, for reading; None when there is none, EINVAL when it is something else."""
    top = _open_root(root)
    try:
        # First only named, then opened: to open a device can have effects of its own.
        handle = _open_below(top, path, os.O_PATH)
    except OSError as e:
        if e.errno in _GONE:
            return None
        raise
    finally:
        os.close(top)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file in the container's root", path)
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(handle)
