"""The digest of a file that has a file system: see `blocks` for the order of its bytes."""

import hashlib
from pathlib import Path

from cri_shim.store.erofs.structs import BLOCK

_PIECE = 1 << 20  # bytes


def digest(file: Path) -> str:
    """Return the digest in hexadecimal. Blocks; OSError."""
    hash = hashlib.sha256()
    with file.open("rb") as opened:
        first = opened.read(BLOCK)
        while piece := opened.read(_PIECE):
            hash.update(piece)
    hash.update(first)
    return hash.hexdigest()


def plain_digest(file: Path) -> str:
    """Return the sha256 of a file in hexadecimal. Blocks; OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
