"""The disk usage of images and containers for ImageFsInfo.

No request walks a tree: the kubelet asks every few seconds. A layer is counted when it is unpacked,
and its record has the result. Blobs are counted when they are kept. Writable layers are measured in
the background (`writable`).
"""

import time
from collections.abc import Iterable
from pathlib import Path

from cri_shim.linux.disk import Usage
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import LayerRecord


def of_layers(layers: Iterable[LayerRecord]) -> Usage:
    """Return the sum of the layers' records."""
    used = inodes = 0
    for layer in layers:
        used += layer.size
        inodes += layer.inodes
    return Usage(used, inodes)


def filesystem(mountpoint: Path, usage: Usage) -> api.FilesystemUsage:
    """Return the CRI message for the file system of the path `mountpoint`, links resolved."""
    return api.FilesystemUsage(
        timestamp=time.time_ns(),
        fs_id=api.FilesystemIdentifier(mountpoint=str(mountpoint.resolve())),
        used_bytes=api.UInt64Value(value=usage.used_bytes),
        inodes_used=api.UInt64Value(value=usage.inodes),
    )
