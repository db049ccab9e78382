"""The second half of a pull, load or commit: layers are unpacked, and the image becomes visible."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cri_shim.activity import Step
from cri_shim.aio.offload import finish, offload
from cri_shim.errors import CriShimError, Unavailable
from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.state.records import VERSIONS
from cri_shim.store import manifest
from cri_shim.store.artifact import Artifact
from cri_shim.store.fetching.fetch import Fetch
from cri_shim.store.fetching.progress import LayerProgress
from cri_shim.store.image_store import ImageStore
from cri_shim.store.layout import Layout
from cri_shim.store.manifest import Content

_log = logging.getLogger(__name__)


async def bring(
    store: ImageStore,
    source: str,
    authfile: Path | None = None,
    policy: Path | None = None,
    *,
    tags: Sequence[str],
    digests: Sequence[str],
) -> ImageRecord:
    """Fetch `source` (transport:name), unpack new layers, and make it visible under its names.

    `policy` is a policy.json for this image instead of the node's own.
    """

    async def fetch(layout: Layout) -> None:
        await store.skopeo.copy(source, layout.path, authfile, policy or store.policies.file())

    return await take_in(store, source, fetch, tags=tags, digests=digests)


async def take_in(
    store: ImageStore,
    source: str,
    fill: Callable[[Layout], Awaitable[None]],
    *,
    tags: Sequence[str],
    digests: Sequence[str],
) -> ImageRecord:
    """Let `fill` put an image into a layout, unpack new layers, and make it visible.

    `source` describes it in errors. After a failure nothing of it is left but whole layers, for a
    while, and nothing at all after the next start.
    """
    layout = Layout(store.layouts)
    here = store.unpacked_blobs()
    try:
        with store.catalog.hold(known.diff_id for known in here.values()):
            fault_point("images.pull.copy")
            sizes = {digest: known.size for digest, known in here.items()}
            await offload(layout.create, sizes, store.blobs)
            await fill(layout)
            content = await offload(layout.content)
            if isinstance(content, Content):
                manifest.check_platform(content.config, store.architecture)
            elif any(blob.digest in here for blob in content.layers):
                # An image has such a layer: the layout has a placeholder, an artifact needs bytes.
                await offload(layout.remove)
                await offload(layout.create, {}, store.blobs)
                await fill(layout)
            with Step("layers", "its layers to be unpacked", expected=True, program=True):
                return await complete(store, layout, content, tags=tags, digests=digests)
    except OSError as e:
        raise Unavailable(f"cannot store {source} below {store.root}: {e}") from e
    finally:
        await discard(store, layout)


async def complete(
    store: ImageStore,
    layout: Layout,
    content: Content | Artifact,
    fetch: Fetch | None = None,
    seen: Sequence[LayerProgress] = (),
    *,
    tags: Sequence[str],
    digests: Sequence[str],
) -> ImageRecord:
    """Have the image's layers, from the layout or by `fetch`, and make it visible."""
    image = _record(content, tags, digests)
    blobs = [blob.digest for blob in content.layers] if isinstance(content, Artifact) else []
    try:
        if isinstance(content, Artifact):
            return await _complete_artifact(store, layout, content, image, fetch, seen)
        return await _complete_image(store, layout, content, image, fetch, seen)
    except BaseException as e:
        if not isinstance(e, Unavailable | OSError):  # with a full disk their space is needed
            store.grace.keep([*content.diff_ids, *blobs])
        store.collect()
        raise


async def _complete_image(
    store: ImageStore,
    layout: Layout,
    content: Content,
    image: ImageRecord,
    fetch: Fetch | None,
    seen: Sequence[LayerProgress],
) -> ImageRecord:
    with store.catalog.hold(content.diff_ids):
        fault_point("images.pull.unpack")
        keep = store.keep_blobs
        await store.new_layers.have(content, layout, fetch, seen, keep_blobs=keep)
        if fetch is not None:
            fetch.complete()
        async with store.derived.complete(image):
            fault_point("images.pull.catalogue")
            return await finish(store.keep(content, layout, image))


async def _complete_artifact(
    store: ImageStore,
    layout: Layout,
    artifact: Artifact,
    image: ImageRecord,
    fetch: Fetch | None,
    seen: Sequence[LayerProgress],
) -> ImageRecord:
    blobs = [*artifact.described, *(blob.digest for blob in artifact.layers)]
    with store.catalog.hold([artifact.tree]), store.blobs.hold(blobs):
        fault_point("images.artifact.blobs")
        await store.artifact_blobs.have(artifact, layout, fetch, seen)
        if fetch is not None:
            fetch.complete()
        await store.artifact_trees.have(artifact)
        fault_point("images.artifact.catalogue")
        return await finish(store.keep(artifact, layout, image))


async def discard(store: ImageStore, layout: Layout) -> None:
    """Delete a layout.

    A failure here does not fail the pull: the deletion is repeated, at the latest at a start.
    """
    try:
        fault_point("images.pull.cleanup")
        await offload(layout.remove)
    except (CriShimError, OSError) as e:
        _log.warning("cannot delete %s: %s; trying again", layout.path, e)
        store.delete_later([layout.path])


def _record(
    content: Content | Artifact, tags: Sequence[str], digests: Sequence[str]
) -> ImageRecord:
    artifact_type = content.type if isinstance(content, Artifact) else ""
    return ImageRecord(
        version=VERSIONS["image"],
        id=content.image_id,
        repo_tags=tags,
        repo_digests=digests,
        size=content.size,
        manifest_digest=content.manifest_digest,
        config=b"{}" if artifact_type else content.config,
        layers=content.diff_ids,
        artifact_type=artifact_type,
        created_at=time.time_ns(),
    )
