"""Images that are mounted for reading on the node itself, each at one place of its own.

    RUN_ROOT/images/ID/tree     the mount
    RUN_ROOT/images/ID/layers   the diff-ids of its layers, bottom first: written before the mount

Mounts and records end with the boot. After a daemon died, the next one finds them again; it deletes
a record without a mount. The layers stay as long as the mount, even if the image is removed.
"""

import errno
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import finish, offload
from cri_shim.errors import Unavailable, WrongState
from cri_shim.faults import fault_point
from cri_shim.linux import mounts
from cri_shim.linux.privacy import make_private, write_private
from cri_shim.linux.remove import remove_tree
from cri_shim.store.mounting.rootfs import Rootfs
from cri_shim.untrusted import parse_json, read_file

MAX_FILE = 1 << 20  # bytes; a diff-id has 71

_log = logging.getLogger(__name__)


class Mounted:
    def __init__(self, directory: Path, rootfs: Rootfs) -> None:
        self._directory = directory
        self._rootfs = rootfs
        self._lock = KeyedLock()  # key: image id
        self._layers: dict[str, Sequence[str]] = {}  # of images that are or may be mounted

    def recover(self) -> None:
        """Find the mounts of the last daemon, and delete what it had not finished."""
        for own in list(self._directory.iterdir()) if self._directory.is_dir() else []:
            try:
                if mounts.is_mounted(own / "tree"):
                    self._layers[own.name] = _layers(own / "layers")
                else:
                    remove_tree(own)
            except (OSError, ValueError) as e:
                _log.warning("what is mounted at %s is left as it is: %s", own, e)

    def images(self) -> dict[str, Sequence[str]]:
        """Return the ids of the mounted images, and their layers."""
        return dict(self._layers)

    def held_layers(self) -> set[str]:
        return {layer for layers in self._layers.values() for layer in layers}

    async def mount(self, image_id: str, layers: Sequence[str]) -> Path:
        """Mount the image, and return the path; idempotent. Unavailable if it cannot be mounted."""
        async with self._lock(image_id):
            tree = self._directory / image_id / "tree"
            if image_id in self._layers and mounts.is_mounted(tree):
                return tree
            self._layers[image_id] = list(layers)
            try:
                await offload(self._record, image_id)
                fault_point("images.mount.overlay")
                await self._rootfs.mount_volume(layers, tree)
            except BaseException as e:
                await finish(self._clear(image_id))
                if isinstance(e, OSError):
                    raise Unavailable(f"cannot mount image {image_id} at {tree}: {e}") from e
                raise
            return tree

    def _record(self, image_id: str) -> None:
        own = self._directory / image_id
        make_private(self._directory)
        make_private(own)
        write_private(own / "layers", json.dumps(self._layers[image_id]))

    async def unmount(self, image_id: str, *, lazy: bool = False) -> None:
        """Unmount the image; idempotent. WrongState while a process uses it, unless `lazy`."""
        async with self._lock(image_id):
            if image_id not in self._layers:
                return
            tree = self._directory / image_id / "tree"
            try:
                fault_point("images.unmount.overlay")
                await offload(mounts.unmount, tree, lazy=lazy)
            except OSError as e:
                if e.errno != errno.EBUSY:
                    raise Unavailable(f"cannot unmount image {image_id}: {e}") from e
                raise WrongState(f"image {image_id} is in use: a process is in {tree}") from e
            await self._clear(image_id)

    async def _clear(self, image_id: str) -> None:
        own = self._directory / image_id
        await offload(mounts.unmount, own / "tree")
        with suppress(OSError):  # the next start finds what is left
            await offload(remove_tree, own)
        self._layers.pop(image_id, None)


def _layers(file: Path) -> Sequence[str]:
    found = parse_json(read_file(file, MAX_FILE))
    if not isinstance(found, list) or not all(isinstance(layer, str) for layer in found):
        raise ValueError(f"{file} is no list of layers")
    return found
