"""The disk space of a tree of files: counted as by `du`, in one walk and with little memory."""

import os
import stat
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from cri_shim.linux.syscalls import StrPath
from cri_shim.linux.walk import Walk

BLOCK = 512  # bytes of a st_blocks, on every file system


@dataclass(frozen=True, slots=True)
class Usage:
    used_bytes: int  # allocated: holes count as 0
    inodes: int
    unseen: int = 0  # entries that could not be read: the true values are then at least the above

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.used_bytes + other.used_bytes,
            self.inodes + other.inodes,
            self.unseen + other.unseen,
        )


def allocated(status: os.stat_result) -> int:
    """Return the bytes that a file or directory takes on its disk."""
    return status.st_blocks * BLOCK


def usage(top: StrPath) -> Usage:
    """Return the usage of a directory tree on its own file system; 0 if it is missing. Blocks.

    A file with N names counts as an Nth at each of them, so that no list of files is kept.
    """
    found = usage_unless(top, lambda _names: False)
    assert found is not None
    return found


def usage_unless(top: StrPath, enough: Callable[[int], bool]) -> Usage | None:
    """Like `usage`; None as soon as `enough`, called with the number of names seen, is true."""
    used = inodes = seen = 0
    linked: dict[int, list[int]] = defaultdict(lambda: [0, 0])  # names -> bytes, inodes
    tree = Walk(top)
    try:
        with closing(iter(tree)) as statuses:
            for status in statuses:
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                    parts = linked[status.st_nlink]
                    parts[0] += allocated(status)
                    parts[1] += 1
                else:
                    used += allocated(status)
                    inodes += 1
                seen += 1
                if enough(seen):
                    return None
    except FileNotFoundError:
        return Usage(0, 0)
    used += sum(parts[0] // names for names, parts in linked.items())
    inodes += sum(-(-parts[1] // names) for names, parts in linked.items())
    return Usage(used, inodes, tree.unseen)
