"""Files of a container's root file system, opened from the host.

The container writes that tree. So every symbolic link in it is resolved as if `root` were "/", and
nothing in it can make the daemon wait or read without end.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.linux import syscalls

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_MAX_LINKS = 40  # symbolic links on the way, the kernel's limit
_MAX_PATH = 4095  # bytes of a path, without its final NUL
_TRIES = 8  # EAGAIN: because of a rename elsewhere, the kernel could not be sure about a ".."


def open_in_root(root: syscalls.StrPath, path: str, flags: int) -> int:
    """Open `path` inside `root`, as a process with that root would; the caller closes it.

    This never waits for the other end of a FIFO. Raises OSError with the path; ELOOP for a magic
    link (/proc/PID/fd and the like), which would lead outside.
    """
    top = _open_root(root)
    try:
        return _open_below(top, path, flags)
    finally:
        os.close(top)


def real_path_in_root(root: syscalls.StrPath, path: str) -> Path:
    """Return the host's path of `path` inside `root`, without symbolic links. Raises OSError."""
    handle = open_in_root(root, path, os.O_PATH)
    try:
        return Path(f"/proc/self/fd/{handle}").readlink()
    finally:
        os.close(handle)


def _open_root(root: syscalls.StrPath) -> int:
    return os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _open_below(top: int, path: str, flags: int, *, one_mount: bool = False) -> int:
    flags |= os.O_CLOEXEC
    if not flags & os.O_PATH:  # O_PATH accepts few other flags, and opens nothing
        flags |= os.O_NONBLOCK | os.O_NOCTTY
    resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
    resolve |= syscalls.RESOLVE_NO_XDEV if one_mount else 0
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            return syscalls.openat2(top, path, flags, resolve)
    return syscalls.openat2(top, path, flags, resolve)


def find_in_root(root: syscalls.StrPath, path: str) -> str:
    """Return the path inside `root` to which `path` leads, without symbolic links.

    It need not exist: for a missing part, the result is where it would be made. Raises OSError.
    """
    return _walked(root, path, None)


def make_directory_in_root(root: syscalls.StrPath, path: str, owner: tuple[int, int]) -> str:
    """Make a directory at `path` inside `root`, and those above it; return it as `find_in_root`.

    New ones belong to `owner`. Only for a tree in which no process runs yet. Raises OSError:
    ENOTDIR if a part of the path is not a directory.
    """
    return _walked(root, path, owner)


def _walked(root: syscalls.StrPath, path: str, owner: tuple[int, int] | None) -> str:
    _refuse_unusable(path)
    left, at, links = _names(path), [""], 0
    top = _open_root(root)
    here: int | None = os.dup(top)  # None: it does not exist
    try:
        while left:
            name = left.pop()
            if name == "..":
                at = at[:-1] or [""]
                here = _turned(here, _reopened(top, at))
                continue
            if here is not None and (target := _link(here, name)) is not None:
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                left += _names(target)
                if target.startswith("/"):
                    at, here = [""], _turned(here, os.dup(top))
                continue
            at.append(name)
            if here is not None:
                here = _turned(here, _below(here, name, owner))
    finally:
        for fd in (top, here):
            if fd is not None:
                os.close(fd)
    found = "/".join(at) or "/"
    _refuse_unusable(found)
    return found


def _refuse_unusable(path: str) -> None:
    """Raise OSError for a text that no system call accepts as a path."""
    try:
        length = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "it is no text that can be a path", repr(path)) from None
    if "\0" in path:
        raise OSError(errno.EINVAL, "it has a NUL character", repr(path))
    if length > _MAX_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)


def _names(path: str) -> list[str]:
    """Return the names of a path, the first one last."""
    return [name for name in path.split("/") if name not in ("", ".")][::-1]


def _turned(old: int | None, new: int | None) -> int | None:
    if old is not None:
        os.close(old)
    return new


def _link(directory: int, name: str) -> str | None:
    """Return the target of the symbolic link `name`; None if it is missing or not a link."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as e:
        if e.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def _reopened(top: int, at: Sequence[str]) -> int | None:
    try:
        return _open_below(top, "/".join(at) or "/", os.O_PATH | os.O_DIRECTORY)
    except OSError as e:
        if e.errno in _GONE:
            return None
        raise


def _below(directory: int, name: str, owner: tuple[int, int] | None) -> int | None:
    """Open the directory `name`, and make it if there is an `owner`; else None if it is missing."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as e:
        if owner is None and e.errno in _GONE:
            return None
        if owner is None or e.errno != errno.ENOENT:
            raise
    os.mkdir(name, 0o755, dir_fd=directory)
    os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
    return os.open(name, flags, dir_fd=directory)


def read_text_in_root(root: syscalls.StrPath, path: str, limit: int) -> str:
    """Return the text of a regular file inside `root`; "" if it does not exist.

    Raises OSError: EFBIG for a file above `limit` bytes, EINVAL if it is not a regular file.
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
    root: syscalls.StrPath,
    path: str,
    size: int,
    *,
    executable: bool = False,
    one_mount: bool = False,
) -> bytes | None:
    """Return the first bytes of a regular file inside `root`; None if there is no such file.

    With `executable`, None also for a file without an execute bit. Raises OSError; EXDEV, with
    `one_mount`, for a file in a file system that is mounted below `root`.
    """
    try:
        fd = _open_regular(root, path, one_mount=one_mount)
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


def append_in_root(root: syscalls.StrPath, path: str, text: str) -> None:
    """Append to a regular file inside `root`; OSError, EINVAL for another type."""
    fd = _open_regular(root, path, flags=os.O_WRONLY | os.O_APPEND)
    if fd is None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    with os.fdopen(fd, "ab") as file:
        file.write(text.encode())


def _open_regular(
    root: syscalls.StrPath, path: str, *, one_mount: bool = False, flags: int = os.O_RDONLY
) -> int | None:
    """Open a regular file; None if it is missing, EINVAL if it has another type."""
    top = _open_root(root)
    try:
        # Check the type before opening: opening a device can have effects of its own.
        handle = _open_below(top, path, os.O_PATH, one_mount=one_mount)
    except OSError as e:
        if e.errno in _GONE:
            return None
        raise
    finally:
        os.close(top)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file in the container's root", path)
        return os.open(f"/proc/self/fd/{handle}", flags | os.O_CLOEXEC)
    finally:
        os.close(handle)
