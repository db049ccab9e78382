"""Reserved space on the file system of the state, for the time when it is full.

To free a full disk, pods and images are removed, and these removals must be recorded. Releasing the
reserve gives this much space on a disk without free blocks or inodes. It is made again when there
is plenty of space.
"""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

SIZE = 4 << 20  # bytes: several write buffers of LevelDB; opening and closing may write one
FILES = 8  # inodes: opening makes up to five files
PLENTY = 4  # times SIZE and FILES must be free before the reserve is made
PAUSE_S = 30.0  # between checks for plenty of space


class Reserve:
    """The reserve is in `directory`, which contains nothing else."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._looked = 0.0

    def release(self) -> bool:
        """Free the space for the next write; return whether there was any."""
        released = False
        self._looked = time.monotonic()
        for file in self._files():
            with suppress(OSError):
                file.unlink()
                released = True
        return released

    def due(self) -> bool:
        """Whether to call `make`: the reserve was released, and PAUSE_S have passed."""
        if time.monotonic() < self._looked + PAUSE_S:
            return False
        self._looked = time.monotonic()
        return len(self._files()) < FILES

    def make(self) -> None:
        """Make the reserve if there is plenty. Blocks for milliseconds; never raises OSError."""
        try:
            if not self._plenty():
                return
            self._directory.mkdir(mode=0o700, exist_ok=True)
            for n in range(FILES):
                fd = os.open(
                    self._directory / str(n), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
                )
                try:
                    if n == 0:
                        os.posix_fallocate(fd, 0, SIZE)
                finally:
                    os.close(fd)
        except OSError:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _files(self) -> list[Path]:
        try:
            return list(self._directory.iterdir())
        except OSError:
            return []

    def _plenty(self) -> bool:
        facts = os.statvfs(self._directory.parent)
        inodes = facts.f_files == 0 or facts.f_favail >= PLENTY * FILES
        return inodes and facts.f_bavail * facts.f_frsize >= PLENTY * SIZE
