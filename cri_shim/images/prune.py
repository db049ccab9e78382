"""Removes unused images: no container, no mount, and no tag unless `all`."""

import logging

from cri_shim.engine import Engine
from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import ImageRecord

_log = logging.getLogger(__name__)


async def prune(engine: Engine, *, all: bool = False) -> list[str]:
    """Remove unused images and return their ids.

    An image that has only digests as names has lost its tag to a newer one, or was pulled by
    digest. It counts as one without a name, as with docker. Pinned images stay.
    """
    store, removed = engine.images, []
    for image in store.catalog.images():
        current = store.catalog.image(image.id)  # read again: it may have been pulled or tagged
        if current is None or not _unused(engine, current, all=all):
            continue
        fault_point("images.prune.catalogue")
        await store.catalog.remove(image.id)
        removed.append(image.id)
    if removed:
        _log.info("pruned %d images", len(removed))
        store.collect()
    return removed


def _unused(engine: Engine, image: ImageRecord, *, all: bool) -> bool:
    in_use = engine.objects.used_images() | engine.images.mounted.images().keys()
    if image.pinned or image.id in in_use:
        return False
    return all or not image.repo_tags
