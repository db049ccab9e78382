"""Image volumes: images mounted read-only, each first at its own place in the container's bundle.

The record names image and layers before anything is mounted. It keeps the layers as long as the
container exists, even if the image is removed. The mounts are below the container's bundle, so a
removal finds them without a record, also after a crash.
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.containers.rootfs import user_namespace
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError, ImageVolumeMountFailed
from cri_shim.faults import fault_point
from cri_shim.images import query
from cri_shim.linux import mounts
from cri_shim.linux.rootfs import real_path_in_root
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.store import deletion
from cri_shim.store.catalog import stack

_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def intended(engine: Engine, config: api.ContainerConfig) -> list[state.ImageVolume]:
    """Resolve the images of the mounts; ImageVolumeMountFailed for one that is not on this node."""
    found = []
    for index, mount in enumerate(config.mounts):
        if not mount.HasField("image"):
            continue
        image = query.resolve(engine, mount.image.image)
        if image is None:
            problem = f"image {mount.image.image} is not on this node; pull it first"
            raise ImageVolumeMountFailed(f"config.mounts[{index}].image", problem)
        found.append(state.ImageVolume(mount=index, image_id=image.id, layers=stack(image)))
    return found


async def prepare(engine: Engine, container: state.ContainerRecord) -> Mapping[int, Path]:
    """Mount every image volume; return the source to bind by its index in config.mounts.

    Already mounted is success. ImageVolumeMountFailed if the image does not have the sub path.
    """
    fault_point("containers.create.volumes")
    sources = {}
    space = user_namespace(engine, engine.objects.pod(container.pod_id))
    for volume in container.image_volumes:
        field = f"config.mounts[{volume.mount}]"
        tree = engine.paths.volumes(container.id) / str(volume.mount) / "tree"
        try:
            await engine.images.rootfs.mount_volume(list(volume.layers), tree, userns=space)
        except (CriShimError, OSError) as e:
            raise ImageVolumeMountFailed(f"{field}.image", str(e)) from e
        sub_path = container.config.mounts[volume.mount].image_sub_path
        sources[volume.mount] = _inside(tree, sub_path, f"{field}.image_sub_path")
    return sources


async def planned(engine: Engine, container: state.ContainerRecord) -> Mapping[int, Path]:
    """Return the sources that `prepare` would return; nothing is mounted."""
    found = {}
    for volume in container.image_volumes:
        tree = engine.paths.volumes(container.id) / str(volume.mount) / "tree"
        sub_path = container.config.mounts[volume.mount].image_sub_path
        field = f"config.mounts[{volume.mount}].image_sub_path"

        def inside(root: Path, sub_path: str = sub_path, field: str = field) -> Path:
            return _inside(root, sub_path, field).relative_to(root)

        found[volume.mount] = tree / await engine.images.rootfs.look(list(volume.layers), inside)
    return found


def _inside(tree: Path, sub_path: str, field: str) -> Path:
    """Resolve a path in the image; its symlinks stay inside the image.

    The whole mount is read-only, so the path cannot change later.
    """
    try:
        return real_path_in_root(tree, sub_path or ".")
    except OSError as e:
        if e.errno not in _MISSING:
            raise
        problem = f"the image has no {sub_path!r} inside: {os.strerror(e.errno or 0)}"
        raise ImageVolumeMountFailed(field, problem) from e


async def release(directory: Path) -> None:
    """Unmount the volumes below `directory` and remove it. Idempotent."""
    fault_point("containers.remove.volumes")
    await offload(_unmount, directory)
    await deletion.delete(directory)


def _unmount(directory: Path) -> None:
    if directory.is_dir():
        for mount in mounts.mounts_below(directory):
            mounts.unmount(mount)
