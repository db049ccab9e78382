"""Every entry below a directory, however many there are and however deep: by descriptors.

The tree belongs to a container or an image, and may change meanwhile:

- Entries are taken as the kernel gives them, a buffer at a time: a directory of a million files
  needs no list of them.
- A directory is opened by its own name beneath the one above it. No symbolic link is followed, no
  other mount is entered, and no path can be too long.
- The way back up is "..", and counts only if it leads to the directory we came from. The outermost
  HELD directories stay open instead: most trees need nothing else. So a tree of any depth takes few
  descriptors and 16 bytes a level.
- What could not be looked into is counted in `unseen`.
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
_BUFFER = 1 << 15  # bytes, as the C library takes
_SMALL_BUFFER = (
    1 << 10
)  # where the next directory may be near, and the rest is read again behind it
_ENTRY = struct.Struct("=QqHB")  # inode, position behind it, length; then the name, ended by a NUL

_Names = Generator[tuple[bytes, int], None, None]


def names(
    directory: int, position: int = 0, size: int = _BUFFER
) -> Generator[tuple[bytes, int], None, None]:
    """The names in an open directory from `position` on, each with the position behind it.

    `size`: bytes that are asked for at once.
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
    """Iterate over it, once, for the status of the top and of everything below. Blocks."""

    def __init__(self, top: syscalls.StrPath) -> None:
        self._top = top
        self._held: list[tuple[int, _Names]] = []  # the outermost ones: descriptor, what is left
        self._inodes, self._positions = array("Q"), array("q")  # of those below them
        self.unseen = 0  # directories and entries that could not be looked into

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
        """A descriptor of the directory; -1 if it is not to be entered, or cannot be."""
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
        """The directory above, and what is left to be seen of it."""
        above = self._above(here) if self._inodes else -1
        os.close(here)
        if above >= 0:
            self._inodes.pop()
            return above, names(above, self._positions.pop(), _SMALL_BUFFER)
        # What is not held was moved away as we were in it: the rest of it is not seen.
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
