"""The digest of a file that has a file system: it tells whether a power cut has damaged the file.

It is the sha256 of the CRC-32 of each MiB: that finds lost and torn writes, and takes a fifteenth
of the time of sha256 over all bytes. It is no protection against a person who can write to the
store. See `blocks` for the order of the bytes.
"""

import hashlib
from pathlib import Path

from isal import isal_zlib

from cri_shim.store.erofs.structs import BLOCK

_PIECE = 1 << 20  # bytes


class Digest:
    """The digest of all bytes of `update`; how they are divided between the calls has no effect."""

    def __init__(self) -> None:
        self._sums = hashlib.sha256()
        self._crc = 0  # of the piece that has begun
        self._size = 0  # bytes so far

    def update(self, data: "bytes | bytearray | memoryview") -> None:
        rest = memoryview(data)
        while rest:
            piece = rest[: _PIECE - self._size % _PIECE]
            rest = rest[len(piece) :]
            self._crc = isal_zlib.crc32(piece, self._crc)
            self._size += len(piece)
            if not self._size % _PIECE:
                self._sums.update(self._crc.to_bytes(4, "big"))
                self._crc = 0

    def hexdigest(self) -> str:
        """Return the digest; no `update` may follow."""
        self._sums.update(self._crc.to_bytes(4, "big") + self._size.to_bytes(8, "big"))
        return self._sums.hexdigest()


def digest(file: Path) -> str:
    """Return the digest of a finished file in hexadecimal. Blocks; OSError."""
    found = Digest()
    with file.open("rb") as opened:
        first = opened.read(BLOCK)
        while piece := opened.read(_PIECE):
            found.update(piece)
    found.update(first)
    return found.hexdigest()


def plain_digest(file: Path) -> str:
    """Return the sha256 of a file in hexadecimal. Blocks; OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
