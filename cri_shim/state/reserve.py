"""Room on the file system of the state, kept for the time when it is full.

A full disk is emptied by removing pods and images, and that has to be written down. What others
have filled to the last block and the last inode has this much room again once it is released. It is
made anew when there is plenty.
"""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

SIZE = 4 << 20  # bytes: some times LevelDB's write buffer, which one opening and closing may write
FILES = 8  # inodes: an opening makes up to five files
PLENTY = 4  # times SIZE or FILES must be free before some is taken
PAUSE_S = 30.0  # between looks whether there is plenty again


class Reserve:
    """In the directory `directory`, which holds nothing else."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._looked = 0.0

    def release(self) -> bool:
        """Give the room to whoever writes next; whether there was any."""
        released = False
        self._looked = time.monotonic()
        for file in self._files():
            with suppress(OSError):
                file.unlink()
                released = True
        return released

    def due(self) -> bool:
        """Whether to call `make`: it was released a while ago."""
        if time.monotonic() < self._looked + PAUSE_S:
            return False
        self._looked = time.monotonic()
        return len(self._files()) < FILES

    def make(self) -> None:
        """Take the room if there is plenty. Blocks for some milliseconds; never raises OSError."""
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
