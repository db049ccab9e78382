"""Walks every entry below a directory, at any number and depth, by descriptors.

The tree belongs to a container or an image, and may change meanwhile:

- Entries are read from the kernel one buffer at a time: a directory of a million files needs no
  list of them.
- A directory is opened by its own name beneath the one above it. No symbolic link is followed, no
  other mount is entered, and no path can be too long.
- The way back up is "..", and it is used only if it leads to the directory of before. The outermost
  HELD directories stay open instead: most trees need nothing else. So a tree of any depth takes few
  descriptors, and 16 bytes for each level.
- Entries that could not be read are counted in `unseen`.
"""

import ctypes
import errno
import os
import stat
import struct
from array import array
from collections.abc import Generator

from cri_shim.linux import beneath, syscalls

HELD = 32  # directories that are kept open
MAX_DEPTH = 1_000_000  # levels; deeper ones are unseen
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_BUFFER = 1 << 15  # bytes, as in the C library
_SMALL_BUFFER = (
    1 << 10
)  # used when the next directory may be near, because the rest is read again after it
_ENTRY = struct.Struct("=QqHB")  # inode, position after it, length; then the name with a final NUL

_Names = Generator[tuple[bytes, int], None, None]


def names(
    directory: int, position: int = 0, size: int = _BUFFER
) -> Generator[tuple[bytes, int], None, None]:
    """Yield the names in an open directory from `position` on, each with the position after it.

    `size` is the number of bytes of one read.
    """
    os.lseek(directory, position, os.SEEK_SET)
    buffer = ctypes.create_string_buffer(size)
    while data := syscalls.getdents64(directory, buffer):
        at = 0
        while at < len(data):
            _, position, length, _ = _ENTRY.unpack_from(data, at)
            begin = at + _ENTRY.size
            name = data[begin : data.index(0, begin)]
            at += length
            if name not in (b".", b".."):
                yield name, position


class Walk:
    """Iterate over it once, for the status of the top and of everything below. Blocks."""

    def __init__(self, top: syscalls.StrPath) -> None:
        self._top = top
        self._held: list[tuple[int, _Names]] = []  # the outermost ones: descriptor, unread names
        self._inodes, self._positions = array("Q"), array("q")  # of the directories below them
        self.unseen = 0  # directories and entries that could not be read

    def __iter__(self) -> Generator[os.stat_result, None, None]:
        here = os.open(self._top, _OPEN)
        try:
            status = os.fstat(here)
            device = status.st_dev
            yield status
            left = names(here)
            while True:
                for name, behind in left:
                    found = self._status(here, name)
                    if found is None or found.st_dev != device:
                        continue
                    yield found
                    if stat.S_ISDIR(found.st_mode) and (below := self._enter(here, name)) >= 0:
                        self._descend(here, left, behind)
                        here, left = below, names(below)
                        break
                else:
                    if not self._held:
                        return
                    here, left = self._ascend(here)
        finally:
            for fd in [here, *(fd for fd, _ in self._held)]:
                os.close(fd)

    def _status(self, here: int, name: bytes) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=here, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError:
            self.unseen += 1
            return None

    def _enter(self, here: int, name: bytes) -> int:
        """Return a descriptor of the directory; -1 if it must not or cannot be entered."""
        if len(self._inodes) < MAX_DEPTH:
            try:
                return beneath.directory(here, os.fsdecode(name))
            except OSError as e:
                if e.errno in _MACHINE:
                    raise
                if e.errno in beneath.ANOTHER_THING:
                    return -1
        self.unseen += 1
        return -1

    def _descend(self, here: int, left: "_Names", position: int) -> None:
        if len(self._held) < HELD:
            self._held.append((here, left))
            return
        self._inodes.append(os.fstat(here).st_ino)
        self._positions.append(position)
        os.close(here)

    def _ascend(self, here: int) -> "tuple[int, _Names]":
        """Return the directory above, and its unread names."""
        above = self._above(here) if self._inodes else -1
        os.close(here)
        if above >= 0:
            self._inodes.pop()
            return above, names(above, self._positions.pop(), _SMALL_BUFFER)
        # A directory that was not held was moved meanwhile: the rest of it is not read.
        self.unseen += len(self._inodes)
        del self._inodes[:], self._positions[:]
        return self._held.pop()

    def _above(self, here: int) -> int:
        try:
            above = os.open("..", _OPEN, dir_fd=here)
        except OSError as e:
            if e.errno in _MACHINE:
                raise
            return -1
        ours, theirs = os.fstat(here), os.fstat(above)
        if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, self._inodes[-1]):
            return above
        os.close(above)
        return -1
