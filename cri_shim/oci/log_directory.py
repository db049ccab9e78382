"""The directory in which conmon writes a container's log.

conmon opens the log by its path, as root, and checks nothing: it would write through a symbolic
link to any file of the node, and it waits at a FIFO. If it cannot make a new log it ends, and
nothing is logged any more. Other programs may write to the directory, such as a log collector with
a hostPath volume, and can put such files there at any time. So conmon gets a mount of the
directory, at a path of the daemon, in which symbolic links are not followed. And it gets the
request for a new log only after the file has been made.

All functions except `mount` and `unmount` access a path from a caller; run them through `look`.
"""

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cri_shim.aio import outside
from cri_shim.errors import ToolFailed, Unavailable, WrongState
from cri_shim.linux import answering, mounts, syscalls

NEW = ".tmp"  # conmon appends this to the name of a new log, before it gives it the log's name
MODE = 0o640  # of a log, as in newer conmons and containerd
_STEP_S = 0.001

Identity = tuple[int, int]  # device and inode
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log: `below` is relative to `top`, the pod's log directory."""

    top: Path
    below: Path

    @property
    def path(self) -> Path:
        return self.top / self.below

    @property
    def name(self) -> str:
        return self.below.name


async def look(log: LogFile, call: Callable[..., T], *args: Any, **options: Any) -> T:
    """Run one of the functions below; WrongState, Unavailable."""
    try:
        await answering.ensure(str(log.top))
        return await outside.look(str(log.path), call, *args, **options)
    except OSError as e:
        raise Unavailable(f"the log {log.path} cannot be written: {e.strerror}") from e


def make(log: LogFile) -> None:
    """Make the directory; refuse a path that cannot be a log. OSError, WrongState."""
    directory = _directory(log)
    try:
        _check(directory, log)
    finally:
        os.close(directory)


def open_first(log: LogFile) -> int:
    """Make the directory and the log; return a detached mount of the directory, for `mount`."""
    directory = _directory(log)
    try:
        if not _check(directory, log):
            _create(directory, log.name)
        return mounts.without_links(f"/proc/self/fd/{directory}")
    finally:
        os.close(directory)


def open_next(log: LogFile, at: Path) -> tuple[int | None, Identity]:
    """Prepare all that conmon needs to open a new log; return a mount and the log's identity.

    The mount is detached, and None if the directory is already mounted `at`. After OSError or
    WrongState, conmon must not get the request.
    """
    directory = _directory(log)
    try:
        if _is_directory(directory, log.name):
            raise WrongState(f"the log {log.path} cannot be reopened: it is a directory")
        _remove_next(directory, log)
        made = _create(directory, log.name + NEW)
        if _is_mounted(directory, at):
            return None, made
        return mounts.without_links(f"/proc/self/fd/{directory}"), made
    finally:
        os.close(directory)


def wait(log: LogFile, new: Identity, limit: float) -> bool:
    """Whether the log becomes the file `new` within `limit` seconds."""
    deadline = time.monotonic() + limit
    while _identity(log.path) != new:
        if time.monotonic() > deadline:
            return False
        time.sleep(_STEP_S)
    return True


def forget_next(log: LogFile) -> None:
    """Remove a new log that conmon has not taken. OSError, WrongState."""
    directory = _directory(log)
    try:
        _remove_next(directory, log)
    finally:
        os.close(directory)


def mount(tree: int, at: Path) -> None:
    """Mount what `open_first` or `open_next` returned, and close its descriptor. ToolFailed."""
    try:
        at.mkdir(mode=0o700, exist_ok=True)
        mounts.unmount(at)
        syscalls.move_mount(tree, at)
    except OSError as e:
        raise ToolFailed(f"cannot mount the directory of a log at {at}: {e.strerror}") from e
    finally:
        os.close(tree)


def unmount(at: Path) -> None:
    """Unmount it. Idempotent. The log directory itself stays unchanged."""
    mounts.unmount(at)
    with suppress(OSError):  # conmon may have made a file in it between two mounts
        at.rmdir()


def _directory(log: LogFile) -> int:
    """Open the directory of the log, and make it if needed, without links in it or below the pod's.

    The directories above the pod's own belong to the node and may be links.
    """
    with suppress(FileExistsError):
        log.top.mkdir(mode=0o755, parents=True)
    found = _enter(None, str(log.top))
    for part in log.below.parent.parts:
        try:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=found)
            deeper = _enter(found, part)
        finally:
            os.close(found)
        found = deeper
    return found


def _enter(above: int | None, name: str) -> int:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=above)
    except NotADirectoryError as e:
        what = f"{name} is a symbolic link, or no directory"
        raise WrongState(f"a log cannot be written below it: {what}") from e


def _check(directory: int, log: LogFile) -> bool:
    """Whether the log exists; WrongState if the name belongs to anything but a file."""
    try:
        mode = os.stat(log.name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        raise WrongState(f"{log.path} cannot be a log: it exists and is not a file")
    return True


def _create(directory: int, name: str) -> Identity:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, MODE, dir_fd=directory)
    try:
        facts = os.fstat(fd)
        return facts.st_dev, facts.st_ino
    finally:
        os.close(fd)


def _remove_next(directory: int, log: LogFile) -> None:
    name = log.name + NEW
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
    except IsADirectoryError as e:
        raise WrongState(f"{log.path}{NEW} is a directory: no new log can be made") from e


def _is_directory(directory: int, name: str) -> bool:
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(mode)


def _is_mounted(directory: int, at: Path) -> bool:
    """Whether conmon has this directory. A conmon of an older version has the path and no mount."""
    try:
        return os.path.samestat(os.fstat(directory), at.stat())
    except FileNotFoundError:
        return True


def _identity(path: Path) -> Identity | None:
    try:
        found = path.lstat()
    except OSError as e:
        if e.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
        return None
    return found.st_dev, found.st_ino
