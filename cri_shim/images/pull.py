"""PullImage: resolves the name to a digest, fetches by that digest, unpacks, catalogues.

Errors: RegistryUnavailable if the registry cannot be reached or hangs; SignatureValidationFailed if
policy.json refuses; NotFound if the registry does not have the image; Unavailable for lack of disk
space (it names the directory); ToolFailed with skopeo's words for the rest: not authorised,
damaged, for another architecture.
"""

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cri_shim.aio.offload import finish, offload
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError, NotFound, ToolFailed, Unavailable
from cri_shim.faults import fault_point
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.registry.reference import Reference, candidates
from cri_shim.state.records import VERSIONS
from cri_shim.store import auth as credentials
from cri_shim.store import manifest, redirected
from cri_shim.store.image_store import ImageStore
from cri_shim.store.layout import Layout
from cri_shim.store.manifest import Content, digest_of
from cri_shim.store.policies import policy_file
from cri_shim.store.verify import verify
from cri_shim.work import PullKey

_log = logging.getLogger(__name__)


async def pull(
    engine: Engine, name: str, auth: api.AuthConfig | None = None, namespace: str = ""
) -> str:
    """Fetch or update an image and return its id; equal pulls share the work.

    `namespace` is that of the pod, which may have a signature policy of its own.
    """
    store = engine.images
    secret = auth.SerializeToString(deterministic=True) if auth else b""
    key = PullKey(name, secret, str(store.policies.file(namespace) or ""))
    return await engine.work.pulls.do(key, lambda: _search(store, name, auth, namespace))


async def _search(store: ImageStore, name: str, auth: api.AuthConfig | None, namespace: str) -> str:
    """Try a short name in each configured registry, in order."""
    references = candidates(name, store.search)
    for reference in references[:-1]:
        try:
            return (await _pull(store, reference, auth, namespace)).id
        except (NotFound, ToolFailed):
            continue  # the next registry may have it; the caller gets the last one's error
    return (await _pull(store, references[-1], auth, namespace)).id


async def _pull(
    store: ImageStore, reference: Reference, auth: api.AuthConfig | None, namespace: str
) -> ImageRecord:
    verdict = await store.policies.check(reference, namespace)
    own = credentials.credential(auth, reference.registry)
    with credentials.authfile(store.secrets, reference.registry, own) as authfile:
        fault_point("images.pull.resolve")
        digest = reference.digest
        if not digest:
            digest = digest_of(await store.skopeo.manifest(_source(store, reference), authfile))
        exact = reference.by_digest(digest)
        left = await verify(
            store.skopeo, verdict.requirements, reference, [digest], authfile, store.secrets
        )
        with policy_file(left, reference, store.secrets) as policy:
            return await bring(
                store,
                _source(store, exact),
                authfile,
                policy,
                tags=[] if reference.digest else [str(reference)],
                digests=[str(exact)],
            )


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
        await store.skopeo.copy(source, layout.path, authfile, policy)

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

    `source` describes it in errors. After a failure nothing of it is left, at the latest after the
    next start.
    """
    try:
        return await _take_in(store, fill, tags, digests)
    except BaseException as e:
        store.collect()  # layers that only this image needs
        if isinstance(e, OSError):
            raise Unavailable(f"cannot store {source} below {store.root}: {e}") from e
        raise


async def _take_in(
    store: ImageStore,
    fill: Callable[[Layout], Awaitable[None]],
    tags: Sequence[str],
    digests: Sequence[str],
) -> ImageRecord:
    here = store.unpacked_blobs()
    layout = Layout(store.layouts)
    with store.catalog.hold(known.diff_id for known in here.values()):
        try:
            fault_point("images.pull.fetch")
            sizes = {digest: known.size for digest, known in here.items()}
            await offload(layout.create, sizes, store.blobs)
            await fill(layout)
            content = await offload(layout.content)
            manifest.check_platform(content.config, store.architecture)
            with store.catalog.hold([*content.diff_ids, *redirected.ids_of(content.diff_ids)]):
                fault_point("images.pull.unpack")
                await store.unpack(content, layout)
                image = _record(content, tags, digests)
                stack = await store.have_redirected(content.diff_ids)
                if stack != list(content.diff_ids):
                    image.redirected[:] = stack
                extra = _directories_id(stack)
                with store.catalog.hold([extra]):
                    fault_point("images.pull.directories")
                    if await store.have_directories(stack, extra):
                        image.directories = extra
                    fault_point("images.pull.catalogue")
                    return await finish(store.keep(content, layout, image))
        finally:
            await discard(store, layout)


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


def _record(content: Content, tags: Sequence[str], digests: Sequence[str]) -> ImageRecord:
    return ImageRecord(
        version=VERSIONS["image"],
        id=content.image_id,
        repo_tags=tags,
        repo_digests=digests,
        size=content.size,
        manifest_digest=content.manifest_digest,
        config=content.config,
        layers=content.diff_ids,
        created_at=time.time_ns(),
    )


def _directories_id(diff_ids: Sequence[str]) -> str:
    """Return the id of the layer of directories that these layers, bottom first, only imply."""
    chain = " ".join(["directories", *diff_ids])
    return "sha256:" + hashlib.sha256(chain.encode()).hexdigest()


def _source(store: ImageStore, reference: Reference) -> str:
    return f"{store.transport}{reference}"
