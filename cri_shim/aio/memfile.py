"""Anonymous files: the input of a program, of any size and without a writer, and its messages.

A pipe for a program's messages would be held open by processes that it leaves behind.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from cri_shim.errors import ToolFailed

TEXT_LIMIT = 1 << 16  # bytes of a program's messages that are read


@contextmanager
def memfile(data: bytes = b"") -> Iterator[int]:
    """Make an anonymous file with `data`, open at its start. ToolFailed."""
    try:
        fd = os.memfd_create("program", os.MFD_CLOEXEC)
    except OSError as e:
        raise ToolFailed(f"cannot make a file for a program: {e.strerror}") from e
    try:
        left = memoryview(data)
        while left:  # one write takes at most 2 GiB
            left = left[os.write(fd, left) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def stdin(data: bytes, other: int = subprocess.DEVNULL) -> Iterator[int]:
    """Give the standard input for a program: `data`, or without data the descriptor `other`."""
    if not data:
        yield other
        return
    with memfile(data) as fd:
        yield fd


def text_of(fd: int, limit: int = TEXT_LIMIT) -> str:
    """Return what a program wrote to an anonymous file, at most the first `limit` bytes."""
    return os.pread(fd, limit, 0).decode(errors="replace")
