"""Brings the layers of an image here: those that are missing are fetched and unpacked, once each.

What an image says of its blobs is compared with what was found by hashing them. Two pulls that need
the same layer do not fetch it twice: one waits for the other, but not forever, because that one
may ask a registry that is slow on purpose.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.errors import ToolFailed
from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.store.additions import Additions
from cri_shim.store.catalog import Catalog, KnownBlob
from cri_shim.store.fetching.fetch import Fetch
from cri_shim.store.fetching.following import Following, Unpacked
from cri_shim.store.fetching.progress import DONE, SHARED, UNPACKING, LayerProgress
from cri_shim.store.layers import Layers
from cri_shim.store.layout import Layout
from cri_shim.store.manifest import Blob, Content

MOST_BLOBS = 16  # of one layer that are recorded: one content can be compressed in different ways
PATIENCE_S = 30.0  # for the same layer of another pull, and the time that it takes at
SLOWEST = 1 << 20  # bytes a second


class NewLayers:
    def __init__(self, layers: Layers, catalog: Catalog, additions: Additions) -> None:
        self._layers = layers
        self._catalog = catalog
        self._additions = additions
        self._following = Following(layers)
        self._blobs = KeyedLock()  # key: digest
        self._diff_ids = KeyedLock()

    async def have(
        self,
        content: Content,
        layout: Layout,
        fetch: Fetch | None = None,
        seen: Sequence[LayerProgress] = (),
        *,
        keep_blobs: bool = True,
    ) -> None:
        """Bring every missing layer of the image, whose layers the caller holds.

        Without `fetch` their blobs are in the layout. The first error ends all work. ToolFailed,
        too, if a blob is not the layer that the image's config names in its place: then the image
        makes a false statement, and no client gets it under that id.
        """
        shown = {layer.digest: layer for layer in seen}
        wanted = set(zip(content.layers, content.diff_ids, strict=True))
        largest_first = sorted(wanted, key=lambda pair: -pair[0].size)
        try:
            async with asyncio.TaskGroup() as group:
                for blob, diff_id in largest_first:
                    layer = shown.get(blob.digest) or LayerProgress(blob.digest, blob.size)
                    one = _One(layout, blob, diff_id, layer, fetch, keep_blobs)
                    group.create_task(self._have_layer(one), name=f"layer {diff_id}")
        except BaseExceptionGroup as group_of_one:
            raise group_of_one.exceptions[0] from None

    async def _have_layer(self, one: "_One") -> None:
        blob, diff_id = one.blob, one.diff_id
        async with self._alone(one):
            here = self._catalog.layer(diff_id) if self._layers.is_here(diff_id) else None
            known = self._catalog.blob(blob.digest)
            if known is not None:
                _refuse_another(blob, known, diff_id)
            if here is not None and known is not None:
                one.seen.received(blob.size)
            elif one.fetch is not None:
                await self._fetch(one, one.fetch, here)
            elif one.layout.has(blob.digest):
                await self._take(one, here)
            elif here is None:
                raise ToolFailed(f"layer {diff_id}: its blob {blob.digest} did not come")
            # Otherwise a commit: the lower layer is here, and its blob is not needed.
            one.seen.state = DONE

    async def _fetch(self, one: "_One", fetch: Fetch, here: LayerRecord | None) -> None:
        fault_point("images.pull.fetch")
        transfer = fetch.fetch(one.seen)
        try:
            if here is None:
                unpacked = await self._following.unpack(fetch, transfer, one.diff_id)
                await self._additions.add(*_of(one.blob, unpacked))
            else:
                await fetch.whole(transfer)
                one.seen.state = UNPACKING
                await self._take(one, here)
        except BaseException:
            fetch.cancel(one.blob.digest)
            raise
        if not one.keep_blob:
            one.layout.blob(one.blob.digest).unlink(missing_ok=True)

    async def _take(self, one: "_One", here: LayerRecord | None) -> None:
        """Unpack the blob in the layout, or hash it if its layer is here already."""
        blob, diff_id = one.blob, one.diff_id
        file = one.layout.blob(blob.digest)
        size = file.stat().st_size
        if here is None:
            _refuse_another(blob, KnownBlob(diff_id, size), diff_id)
            await self._additions.add(*_of(blob, await self._layers.unpack(file, diff_id)))
        else:
            found = await self._layers.diff_id_of(file, here.tar_size)
            _refuse_another(blob, KnownBlob(found, size), diff_id)
            self._learn(diff_id, blob)

    @asynccontextmanager
    async def _alone(self, one: "_One") -> AsyncIterator[None]:
        """In the block no other pull brings this layer or blob, unless it takes too long.

        Digests are locked before diff-ids, always, so that no two pulls wait for each other. Two
        pulls that bring the same layer do no harm: the second finds it here when it commits.
        """
        limit = PATIENCE_S + one.blob.size / SLOWEST
        async with AsyncExitStack() as held:
            before, one.seen.state = one.seen.state, SHARED
            try:
                async with asyncio.timeout(limit if one.fetch is not None else None):
                    await held.enter_async_context(self._blobs(one.blob.digest))
                    await held.enter_async_context(self._diff_ids(one.diff_id))
            except TimeoutError:
                await held.aclose()
            one.seen.state = before
            yield

    def _learn(self, diff_id: str, blob: Blob) -> None:
        """Record that a blob was hashed and is a layer that is here."""
        layer = LayerRecord()
        layer.CopyFrom(self._catalog.layer(diff_id) or LayerRecord(diff_id=diff_id))
        layer.blobs.add(digest=blob.digest, size=blob.size)
        del layer.blobs[:-MOST_BLOBS]
        self._catalog.change_layer(layer)


@dataclass(frozen=True, slots=True)
class _One:
    """One layer that an image needs."""

    layout: Layout
    blob: Blob
    diff_id: str
    seen: LayerProgress
    fetch: Fetch | None
    keep_blob: bool


def _of(blob: Blob, unpacked: Unpacked) -> Unpacked:
    """Add to the layer's record which blob it was unpacked from."""
    unpacked[1].blobs.add(digest=blob.digest, size=blob.size)
    return unpacked


def _refuse_another(blob: Blob, known: KnownBlob, diff_id: str) -> None:
    """Raise ToolFailed if an image's statement about a blob differs from `known`."""
    if known.diff_id != diff_id:
        raise ToolFailed(
            f"the image says that its blob {blob.digest} is the layer {diff_id}, but it is"
            f" {known.diff_id}: config and layers of the image do not belong together"
        )
    if known.size != blob.size:
        raise ToolFailed(
            f"the image says that its blob {blob.digest} has {blob.size} bytes, but it has"
            f" {known.size}"
        )
