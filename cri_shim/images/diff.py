"""What an image changes in the image below it, or in any other."""

from collections.abc import Sequence

from cri_shim.aio.offload import offload
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store import changes, merged
from cri_shim.store.changes import Change
from cri_shim.store.image_store import ImageStore
from cri_shim.store.merged import Node, Part


async def diff(store: ImageStore, image: ImageRecord, other: ImageRecord | None) -> list[Change]:
    """The changes that lead from `other` to `image`, by path; see store/changes.py.

    Without `other`: what the topmost layer changed in those below it.
    """
    before = list(other.layers) if other is not None else list(image.layers[:-1])
    with store.catalog.hold([*image.layers, *before]):
        try:
            return await offload(_diff, store, before, list(image.layers))
        finally:
            store.collect()  # if an image was removed meanwhile


def _diff(store: ImageStore, before: Sequence[str], after: Sequence[str]) -> list[Change]:
    return changes.between(_tree(store, before), _tree(store, after))


def _tree(store: ImageStore, layers: Sequence[str]) -> Node | None:
    return merged.root([Part(str(layer)) for layer in store.rootfs.lowers(layers)])
