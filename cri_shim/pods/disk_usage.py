"""What images, containers and logs take of the disk, and what pruning would free.

Nothing is walked for the answer: layers and blobs are counted when they come, and the writable
layers are measured in the background.
"""

import os
from collections import Counter

from cri_shim import lifecycle
from cri_shim.aio.offload import offload
from cri_shim.containers import logs
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.images import prune
from cri_shim.pb import control_pb2 as control
from cri_shim.pb import state_pb2 as state
from cri_shim.store import usage as store_usage


async def usage(engine: Engine) -> control.DiskUsageResponse:
    """Return the usage of everything that this runtime keeps below its root, and of the logs."""
    store = engine.images
    of_users = Counter(c.image_id for c in engine.objects.everything()[1])
    space = await offload(os.statvfs, store.root)
    return control.DiskUsageResponse(
        images=[_image(engine, image, of_users[image.id]) for image in store.catalog.images()],
        layers=store_usage.of_layers(store.catalog.layers()).used_bytes,
        blobs=store.blobs.usage().used_bytes,
        keep_blobs=store.keep_blobs,
        containers=[await _container(engine, c) for c in engine.objects.containers()],
        prune_images=(await prune.prune(engine, dry_run=True)).freed,
        prune_all_images=(await prune.prune(engine, all=True, dry_run=True)).freed,
        free=space.f_bavail * space.f_frsize,
        total=space.f_blocks * space.f_frsize,
        root=str(store.root),
    )


def _image(engine: Engine, image: state.ImageRecord, containers: int) -> control.ImageUsage:
    size, own = engine.images.size_of(image), engine.images.only_of({image.id}).used_bytes
    return control.ImageUsage(
        id=image.id,
        names=[*image.repo_tags] or [*image.repo_digests],
        shared=max(0, size - own),
        own=own,
        containers=containers,
    )


async def _container(engine: Engine, container: state.ContainerRecord) -> control.ContainerUsage:
    measured = engine.images.rootfs.writable.of(container.id)
    pod = engine.objects.find_pod(container.pod_id)
    named = pod.config.metadata if pod is not None else None
    names = [named.namespace, named.name] if named is not None else []
    return control.ContainerUsage(
        id=container.id,
        name="/".join([*names, container.config.metadata.name]),
        state=lifecycle.name(container),
        writable=0 if measured is None else measured.usage.used_bytes,
        measured=measured is not None,
        log=await _log_size(engine, container),
    )


async def _log_size(engine: Engine, container: state.ContainerRecord) -> int:
    """Return the bytes of the log and of those that were rotated; 0 if they cannot be seen."""
    if not container.log_path:
        return 0
    try:
        return await logs.size(engine, container)
    except (OSError, CriShimError):
        return 0
