"""What images and containers take of the disk, as ImageFsInfo answers it.

Nothing is walked for an answer: the kubelet asks every few seconds. What a layer takes was counted
when it was unpacked and stands in its record; blobs are counted when they are kept; what containers
wrote is measured in the background (`writable`).
"""

import time
from collections.abc import Iterable
from pathlib import Path

from cri_shim.linux.disk import Usage
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import LayerRecord


def of_layers(layers: Iterable[LayerRecord]) -> Usage:
    """The sum of the layers' records."""
    used = inodes = 0
    for layer in layers:
        used += layer.size
        inodes += layer.inodes
    return Usage(used, inodes)


def filesystem(mountpoint: Path, usage: Usage) -> api.FilesystemUsage:
    """The CRI message; `mountpoint` is a path on the file system meant, links resolved."""
    return api.FilesystemUsage(
        timestamp=time.time_ns(),
        fs_id=api.FilesystemIdentifier(mountpoint=str(mountpoint.resolve())),
        used_bytes=api.UInt64Value(value=usage.used_bytes),
        inodes_used=api.UInt64Value(value=usage.inodes),
    )
