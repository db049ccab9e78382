"""Brings the blobs of an artifact here: those that are missing are fetched, once each.

A blob is moved to the kept blobs as soon as it is whole, so another artifact and the next try have
it. Its bytes are hashed on the way and not read again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import offload
from cri_shim.errors import ToolFailed
from cri_shim.faults import fault_point
from cri_shim.store.artifact import Artifact
from cri_shim.store.blobs import Blobs
from cri_shim.store.fetching.fetch import Fetch
from cri_shim.store.fetching.new_layers import PATIENCE_S, SLOWEST
from cri_shim.store.fetching.progress import DONE, SHARED, LayerProgress
from cri_shim.store.layout import Layout, is_whole
from cri_shim.store.manifest import Blob


class ArtifactBlobs:
    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._busy = KeyedLock()  # key: digest

    async def have(
        self,
        artifact: Artifact,
        layout: Layout,
        fetch: Fetch | None = None,
        seen: Sequence[LayerProgress] = (),
    ) -> None:
        """Bring every missing blob, which the caller holds; the first error ends all work.

        Without `fetch` they are in the layout, and were hashed by the program that put them there.
        """
        shown = {layer.digest: layer for layer in seen}
        try:
            async with asyncio.TaskGroup() as group:
                for blob in artifact.layers:
                    layer = shown.get(blob.digest) or LayerProgress(blob.digest, blob.size)
                    work = self._have(blob, layout, fetch, layer)
                    group.create_task(work, name=f"blob {blob.digest}")
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _have(
        self, blob: Blob, layout: Layout, fetch: Fetch | None, layer: LayerProgress
    ) -> None:
        async with self._alone(blob, fetch, layer):
            if not await self._is_here(blob):
                if fetch is not None:
                    await _fetch(fetch, layer)
                came = layout.blob(blob.digest)
                if not layout.has(blob.digest) or not await offload(is_whole, came, blob.size):
                    raise ToolFailed(f"the blob {blob.digest} of {blob.size} bytes did not come")
                fault_point("images.artifact.blob")
                if not await self._is_here(blob):  # another pull may have been faster
                    self._blobs.take(came, blob.digest)
            layer.received(blob.size)
            layer.state = DONE

    async def _is_here(self, blob: Blob) -> bool:
        return await offload(is_whole, self._blobs.path(blob.digest), blob.size)

    @asynccontextmanager
    async def _alone(
        self, blob: Blob, fetch: Fetch | None, layer: LayerProgress
    ) -> AsyncIterator[None]:
        """In the block no other pull brings this blob, unless it takes too long."""
        limit = PATIENCE_S + blob.size / SLOWEST if fetch is not None else None
        async with AsyncExitStack() as held:
            before, layer.state = layer.state, SHARED
            try:
                async with asyncio.timeout(limit):
                    await held.enter_async_context(self._busy(blob.digest))
            except TimeoutError:
                await held.aclose()
            layer.state = before
            yield


async def _fetch(fetch: Fetch, layer: LayerProgress) -> None:
    transfer = fetch.fetch(layer)
    try:
        await fetch.whole(transfer)
    except BaseException:
        fetch.cancel(layer.digest)
        raise
