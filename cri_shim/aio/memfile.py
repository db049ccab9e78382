"""Anonymous files: input of any size without a writer, and what a program says.

A pipe for a program's words would be held open by what it leaves behind.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from cri_shim.errors import ToolFailed

SAID_LIMIT = 1 << 16  # bytes of what a program said that are read


@contextmanager
def memfile(data: bytes = b"") -> Iterator[int]:
    """An anonymous file holding `data`, open at its start. ToolFailed."""
    try:
        fd = os.memfd_create("program", os.MFD_CLOEXEC)
    except OSError as e:
        raise ToolFailed(f"cannot make a file for a program: {e.strerror}") from e
    try:
        left = memoryview(data)
        while left:  # one write takes 2 GiB at most
            left = left[os.write(fd, left) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def stdin(data: bytes) -> Iterator[int]:
    """What to give a program as standard input: `data`, or nothing."""
    if not data:
        yield subprocess.DEVNULL
        return
    with memfile(data) as fd:
        yield fd


def said(fd: int, limit: int = SAID_LIMIT) -> str:
    """What a program wrote to an anonymous file, at most the first `limit` bytes."""
    return os.pread(fd, limit, 0).decode(errors="replace")
