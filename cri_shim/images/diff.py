"""The changes that an image makes to the image below it, or to any other image."""

from collections.abc import Callable, Sequence
from functools import partial

from cri_shim.aio.own_thread import in_own_thread
from cri_shim.engine import Engine
from cri_shim.images.query import find
from cri_shim.store.catalog import stack
from cri_shim.store.image_store import ImageStore
from cri_shim.store.trees import changes, merged
from cri_shim.store.trees.changes import Change
from cri_shim.store.trees.merged import Layer


async def diff(engine: Engine, reference: str, other: str = "") -> list[Change]:
    """Return the changes that turn `other` into the image, by path; see store/trees/changes.py.

    Without `other`: the changes that the topmost layer makes to the layers below it.
    """
    store, image = engine.images, find(engine, reference)
    layers = list(image.redirected or image.layers)
    before = stack(find(engine, other)) if other else layers[:-1]
    after = stack(image) if other else layers
    with store.catalog.hold([*after, *before]):
        try:
            return await in_own_thread("diff", partial(_diff, store, before, after))
        finally:
            store.collect()  # in case an image was removed meanwhile


def _diff(
    store: ImageStore, before: Sequence[str], after: Sequence[str], stopped: Callable[[], bool]
) -> list[Change]:
    with store.rootfs.lowers(before) as below, store.rootfs.lowers(after) as above:
        stacks = [[Layer(str(layer)) for layer in lowers] for lowers in (below, above)]
        with merged.opened(*stacks) as (old, new):
            return changes.between(old, new, stopped=stopped)
