"""Taking away the images that nobody uses: no container, no mount, and no tag unless `all`."""

import logging
from collections.abc import Callable

from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store.image_store import ImageStore

_log = logging.getLogger(__name__)


async def prune(store: ImageStore, in_use: Callable[[], set[str]], *, all: bool) -> list[str]:
    """Remove unused images and return their ids; `in_use` tells those of containers.

    An image that has only digests for names has lost its tag to a newer one, or was pulled by
    digest: it counts as one without a name, as with docker. Pinned ones stay.
    """
    removed = []
    for image in store.catalog.images():
        current = store.catalog.image(image.id)  # what was pulled or tagged meanwhile counts
        if current is None or not _unused(store, current, in_use(), all=all):
            continue
        fault_point("images.prune.catalogue")
        await store.catalog.remove(image.id)
        removed.append(image.id)
    if removed:
        _log.info("pruned %d images", len(removed))
        store.collect()
    return removed


def _unused(store: ImageStore, image: ImageRecord, in_use: set[str], *, all: bool) -> bool:
    if image.pinned or image.id in in_use or image.id in store.mounted.images():
        return False
    return all or not image.repo_tags
