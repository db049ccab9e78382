"""Removes shared memory that the specs of host IPC make on the host and leave there."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 1 << 20  # the size that they pass to ipcmk
_TABLE = Path("/proc/sysvipc/shm")


@contextmanager
def swept() -> Iterator[None]:
    """Remove segments of that size that appeared during the block and have no attachment."""
    before = unused(_TABLE.read_text())
    try:
        yield
    finally:
        for id in sorted(unused(_TABLE.read_text()) - before):
            subprocess.run(["ipcrm", "--shmem-id", id], check=False)


def unused(table: str) -> set[str]:
    """Return the ids of segments of SIZE without an attachment, from /proc/sysvipc/shm."""
    head, *rows = [line.split() for line in table.splitlines()]
    each = [dict(zip(head, row, strict=False)) for row in rows]
    return {row["shmid"] for row in each if row["size"] == str(SIZE) and row["nattch"] == "0"}
