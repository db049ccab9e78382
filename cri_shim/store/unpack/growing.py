"""A layer blob that is still being downloaded, as a file: a read at its end waits for more bytes.

The blob is written to NAME.part and renamed to NAME when it is whole and verified. Standard input
carries one byte then. If it ends without that byte, the transfer was given up.
"""

import io
import os
import select

from cri_shim.store.unpack.failure import BadLayer

PART = ".part"
_HEAD = 4  # bytes that a read gives at least, before the end: they tell the compression
_SHORTEST_MS, _LONGEST_MS = 1, 32  # of a wait for more bytes; the byte on stdin ends it at once


class GrowingFile(io.RawIOBase):
    """Reads `path` while it comes; BadLayer if the transfer is given up."""

    def __init__(self, path: str, news: int = 0) -> None:
        """Open the blob, and wait until it exists; `news` is the descriptor with that byte."""
        self._news = news
        self._poll = select.poll()
        self._poll.register(news, select.POLLIN)
        self._whole = False
        self._pause = _SHORTEST_MS
        self._fd = -1
        while self._fd < 0 and not self._opened(path):
            self._wait()

    def _opened(self, path: str) -> bool:
        for name in (path + PART, path):
            try:
                self._fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                if self._whole and name == path:
                    raise
            else:
                return True
        return False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer than four or none only at the end."""
        data = b""
        while len(data) < min(size, _HEAD):
            was_whole = self._whole
            if piece := os.read(self._fd, size - len(data)):
                data += piece
                self._pause = _SHORTEST_MS
            elif was_whole:
                break
            else:
                self._wait()
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        return os.lseek(self._fd, position, whence)

    def _wait(self) -> None:
        """Wait for more bytes, or for the news that the blob is whole."""
        if self._poll.poll(self._pause):
            if not os.read(self._news, 1):
                raise BadLayer("its transfer was given up")
            self._whole = True
            self._poll.unregister(self._news)
        self._pause = min(self._pause * 2, _LONGEST_MS)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()
