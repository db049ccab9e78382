"""Removes unused images: no container, no mount, and no tag unless `all`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from cri_shim.engine import Engine
from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import ImageRecord

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pruned:
    images: Sequence[ImageRecord]
    freed: int  # bytes on the disk; layers that something else needs are not counted

    @property
    def ids(self) -> list[str]:
        return [image.id for image in self.images]


async def prune(engine: Engine, *, all: bool = False, dry_run: bool = False) -> Pruned:
    """Remove unused images and return them; with `dry_run` nothing is removed.

    An image that has only digests as names has lost its tag to a newer one, or was pulled by
    digest. It counts as one without a name, as with docker. Pinned images stay.
    """
    store = engine.images
    found = [image for image in store.catalog.images() if _unused(engine, image, all=all)]
    if dry_run:
        return Pruned(found, store.only_of({image.id for image in found}).used_bytes)
    removed, freed = [], 0
    for image in found:
        current = store.catalog.image(image.id)  # read again: it may have been pulled or tagged
        if current is None or not _unused(engine, current, all=all):
            continue
        fault_point("images.prune.catalogue")
        freed += store.only_of({image.id}).used_bytes
        await store.catalog.remove(image.id)
        removed.append(current)
    if removed:
        store.collect()
        _log.info("pruned %d images", len(removed))
    return Pruned(removed, freed)


def _unused(engine: Engine, image: ImageRecord, *, all: bool) -> bool:
    in_use = engine.objects.used_images() | engine.images.mounted.images().keys()
    if engine.images.pins.has(image) or image.id in in_use:
        return False
    return all or not image.repo_tags
