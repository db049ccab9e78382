"""What images and containers take of the disk, as ImageFsInfo answers it.

Images and layers are summed up from their records: the kubelet asks every few seconds, and a walk
over a hundred thousand files each time would be the node's main work.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import LayerRecord


@dataclass(frozen=True, slots=True)
class Usage:
    used_bytes: int
    inodes: int


def of_layers(layers: Iterable[LayerRecord]) -> Usage:
    """The sum of the layers' records."""
    used = inodes = 0
    for layer in layers:
        used += layer.size
        inodes += layer.inodes
    return Usage(used, inodes)


def of_tree(top: Path) -> Usage:
    """Walk a directory: allocated bytes and inodes, hard links once, other file systems not.

    Blocking. What vanishes meanwhile is not counted.
    """
    found = of_tree_unless(top, lambda _inodes: False)
    assert found is not None
    return found


def of_tree_unless(top: Path, enough: Callable[[int], bool]) -> Usage | None:
    """The same; None as soon as `enough`, which is told the inodes so far, ends it."""
    used = inodes = 0
    seen: set[int] = set()
    try:
        device = top.lstat().st_dev
    except FileNotFoundError:
        return Usage(0, 0)
    pending = [os.fspath(top)]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_dev != device or status.st_ino in seen:
                continue
            if stat.S_ISDIR(status.st_mode):
                pending.append(entry.path)
            elif status.st_nlink > 1:
                seen.add(status.st_ino)
            used += status.st_blocks * 512
            inodes += 1
            if enough(inodes):
                return None
    return Usage(used, inodes)


def filesystem(mountpoint: Path, usage: Usage) -> api.FilesystemUsage:
    """The CRI message; `mountpoint` is a path on the file system meant, links resolved."""
    return api.FilesystemUsage(
        timestamp=time.time_ns(),
        fs_id=api.FilesystemIdentifier(mountpoint=str(mountpoint.resolve())),
        used_bytes=api.UInt64Value(value=usage.used_bytes),
        inodes_used=api.UInt64Value(value=usage.inodes),
    )
