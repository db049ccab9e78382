"""The file of a new file system: written from its second block to its end, then the first.

A thread writes, so that the decompression does not wait for it. The digest is that of all bytes in
the order in which they are written: the first block is the last, because it describes the others.
"""

import os
import queue
import threading

from cri_shim.store.erofs.digest import Digest
from cri_shim.store.erofs.structs import BLOCK

_PIECE = 1 << 18  # bytes: larger pieces are written as they are, smaller ones are gathered
_AHEAD = 4  # pieces that the thread may be behind
_ZEROS = bytes(BLOCK)


class Blocks:
    def __init__(self, fd: int) -> None:
        """Write to the empty file `fd`, which the caller closes."""
        self._fd = fd
        self._at = BLOCK
        self._gathered = bytearray()
        self._digest = Digest()
        self._queue: queue.Queue[bytes | bytearray | memoryview | None] = queue.Queue(_AHEAD)
        self._failure: OSError | None = None
        os.lseek(fd, BLOCK, os.SEEK_SET)
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._thread.start()

    @property
    def block(self) -> int:
        """The number of the block that the next byte belongs to."""
        return self._at // BLOCK

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        """Append; OSError of an earlier piece."""
        self._at += len(data)
        if len(data) < _PIECE // 4:
            self._gathered += data
            if len(self._gathered) >= _PIECE:
                self._flush()
        else:
            self._flush()
            self._put(data)

    def zeros(self, size: int) -> None:
        while size:
            piece = _ZEROS[: min(size, BLOCK)]
            self.write(piece)
            size -= len(piece)

    def pad(self) -> None:
        """Fill the block that has been begun."""
        self.zeros(-self._at % BLOCK)

    def finish(self, first_block: bytes) -> str:
        """Write the first block; return the digest in hexadecimal."""
        self._flush()
        self.close()
        if self._failure is not None:
            raise self._failure
        os.pwrite(self._fd, first_block, 0)
        self._digest.update(first_block)
        return self._digest.hexdigest()

    def close(self) -> None:
        """End the thread; idempotent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _flush(self) -> None:
        if self._gathered:
            self._put(self._gathered)
            self._gathered = bytearray()

    def _put(self, data: "bytes | bytearray | memoryview") -> None:
        if self._failure is not None:
            raise self._failure
        self._queue.put(data)

    def _write_all(self) -> None:
        while (data := self._queue.get()) is not None:
            if self._failure is not None:
                continue  # the other thread must not block until it sees the failure
            try:
                rest = memoryview(data)
                self._digest.update(rest)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError as e:
                self._failure = e
