"""Removes a tree that others have written, of any depth and with any number of files.

A directory that has directories in it is made flat first: each of these is renamed to the top and
is removed there later. So nothing is deeper than two levels when it is removed, and four
descriptors and one buffer are enough. When a removal is interrupted, the renamed directories are
still below the same top, and the next removal finds them.

No mount in the tree is entered, and no symbolic link is followed.

`main` is the program for store/python_child.py.
"""

import errno
import itertools
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from cri_shim.linux import beneath, syscalls

_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})
_TAKEN = _NOT_EMPTY | {errno.ENOTDIR, errno.EISDIR}


def remove_tree(path: syscalls.StrPath, most: int | None = None) -> bool:
    """Remove a file, or a directory with everything in it; no error if it is missing. Blocks.

    Entries that cannot be removed stay, all others are removed; then the first OSError is raised,
    EBUSY for a mount point. Returns False after `most` entries, if there are more.
    """
    where, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 (links must stay)
    try:
        parent = os.open(where, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return True
    try:
        _Removal(os.fspath(path), most).remove(parent, name)
    except _Enough:
        return False
    finally:
        os.close(parent)
    return True


def main(path: str) -> None:
    try:
        remove_tree(path)
    except OSError as e:
        sys.stderr.write(str(e).encode(errors="backslashreplace").decode() + "\n")
        sys.exit(1)
    print("{}")


class _Enough(Exception):
    """The wanted number of entries has been removed."""


class _Removal:
    def __init__(self, path: str, most: int | None) -> None:
        self._path = path  # for errors
        self._most = most
        self._numbers = itertools.count()
        self._failed: OSError | None = None

    def remove(self, parent: int, name: str) -> None:
        try:
            return os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            top = self._open(parent, name)
        try:
            while self._once_through(top):
                pass
        finally:
            os.close(top)
        if self._failed is not None:
            raise self._failed
        with suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=parent)
        return None

    def _once_through(self, top: int) -> bool:
        """Whether an entry was removed: then there may be more, which were renamed to here."""
        changed = False
        with os.scandir(top) as entries:
            for entry in entries:
                remove = self._directory if entry.is_dir(follow_symlinks=False) else _unlink
                changed |= self._attempt(remove, top, entry.name)
        return changed

    def _directory(self, top: int, name: str) -> None:
        if _removed_empty(top, name):
            return
        directory = self._open(top, name)
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        self._attempt(_unlink, directory, entry.name)
                    else:
                        self._attempt(self._make_flat, directory, entry.name, top)
        finally:
            os.close(directory)
        os.rmdir(name, dir_fd=top)

    def _make_flat(self, directory: int, name: str, top: int) -> None:
        if _removed_empty(directory, name):
            return None
        while True:
            to = f".removed-{next(self._numbers)}"
            try:
                return os.rename(name, to, src_dir_fd=directory, dst_dir_fd=top)
            except OSError as e:
                if e.errno not in _TAKEN:
                    raise

    def _attempt(self, remove: Callable[..., None], *arguments: int | str) -> bool:
        """Whether it was removed; the first failure is kept."""
        if self._most is not None:
            self._most -= 1
            if self._most < 0:
                raise _Enough
        try:
            remove(*arguments)
        except FileNotFoundError:
            return True
        except OSError as e:
            if self._failed is None:
                where = f"{self._path}: {e.filename or arguments[1]}"
                self._failed = OSError(e.errno, e.strerror, where)
            return False
        return True

    def _open(self, parent: int, name: str) -> int:
        try:
            return beneath.directory(parent, name)
        except OSError as e:
            if e.errno == errno.EXDEV:
                raise OSError(errno.EBUSY, "something is mounted there", name) from e
            raise


def _unlink(directory: int, name: str) -> None:
    os.unlink(name, dir_fd=directory)


def _removed_empty(directory: int, name: str) -> bool:
    """Remove a directory if it is empty; return whether it was."""
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as e:
        if e.errno in _NOT_EMPTY:
            return False
        raise
    return True
