"""PullImage: resolves the name, fetches and unpacks what is missing at the same time, catalogues.

An image of a registry (docker://) is fetched by a worker process of ours, see store/fetching.
skopeo fetches those of other transports, and those whose signatures policy.json wants to see.

Errors: RegistryUnavailable if the registry cannot be reached or hangs; SignatureValidationFailed if
policy.json refuses; NotFound if the registry does not have the image; Unavailable for lack of disk
space (it names the directory); ToolFailed for the rest: not authorised, damaged, for another
architecture. Whole layers of a failed pull are kept for a while, for the next try.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cri_shim.activity import Step, Subject
from cri_shim.activity.step import current_operation
from cri_shim.aio.offload import offload
from cri_shim.engine import Engine
from cri_shim.errors import NotFound, ToolFailed, Unavailable
from cri_shim.faults import fault_point
from cri_shim.images.arrival import bring, complete, discard
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.registry.reference import Reference, candidates, parse
from cri_shim.store import artifact, manifest
from cri_shim.store.archives import auth as credentials
from cri_shim.store.artifact import Artifact
from cri_shim.store.fetching.fetch import Found
from cri_shim.store.fetching.progress import LayerProgress, PullProgress
from cri_shim.store.image_store import ImageStore
from cri_shim.store.layout import Layout, is_whole
from cri_shim.store.manifest import Content, digest_of
from cri_shim.store.trust.policies import InForce, policy_file
from cri_shim.store.trust.verify import verify
from cri_shim.work import PullKey

REGISTRY = "docker://"

_log = logging.getLogger(__name__)


async def pull(
    engine: Engine, name: str, auth: api.AuthConfig | None = None, asked_by: str = ""
) -> str:
    """Fetch or update an image and return its id; equal pulls share the work.

    `asked_by` is NAMESPACE/NAME of the pod that waits: those who watch see it, and the namespace
    may have a signature policy of its own.
    """
    store = engine.images
    namespace = asked_by.partition("/")[0]
    secret = auth.SerializeToString(deterministic=True) if auth else b""
    key = PullKey(name, secret, str(store.policies.file(namespace) or ""))
    with store.pulls.asking(key, asked_by):
        return await engine.work.pulls.do(
            key, lambda: _pull(store, key, auth, namespace), Subject("image", name)
        )


async def _pull(
    store: ImageStore, key: PullKey, auth: api.AuthConfig | None, namespace: str
) -> str:
    references = candidates(key.name, store.search)
    with store.pulls.running(key.name, key) as seen, _noted(seen):
        async with store.turns(references[0].registry):
            policy = await store.policies.read(namespace)
            if _is_for_skopeo(store, references, policy):
                return await _search(store, references, auth, policy)
            return (await _fetch(store, key.name, auth, policy, seen)).id


@contextmanager
def _noted(seen: PullProgress) -> Iterator[None]:
    """Note in the operation which pods asked for the image: those at its begin, and at its end."""
    operation = current_operation()
    if operation is None:
        yield
        return
    operation.asked_by = seen.asked_by
    try:
        yield
    finally:
        operation.asked_by = list(dict.fromkeys(operation.asked_by + seen.asked_by))


def _is_for_skopeo(store: ImageStore, references: Sequence[Reference], policy: InForce) -> bool:
    """Return whether skopeo must pull it; SignatureValidationFailed if the policy refuses it.

    A short name is judged when it is known which registry has the image.
    """
    if store.transport != REGISTRY:
        return True
    if len(references) > 1:
        return False
    return policy.check(references[0]).needs_signatures


async def _fetch(
    store: ImageStore,
    name: str,
    auth: api.AuthConfig | None,
    policy: InForce,
    seen: PullProgress,
) -> ImageRecord:
    layout = Layout(store.layouts)
    try:
        fault_point("images.pull.resolve")
        await offload(layout.create, {}, store.blobs)
        async with store.fetcher.open(name, auth, layout.blobs, seen) as fetch:
            with Step("registry", f"an answer of the registry of {name}"):
                found = await fetch.image()
            reference = parse(found.reference)
            if not policy.check(reference).needs_signatures:
                content = await offload(_checked, store, layout, found, reference)
                _show(seen, found, content)
                with Step("layers", seen.waits_for, program=True, progress=seen.activity):
                    return await complete(
                        store,
                        layout,
                        content,
                        fetch,
                        seen.layers,
                        tags=[] if reference.digest else [str(reference)],
                        digests=[str(reference.by_digest(found.digest))],
                    )
        return await _copy(store, reference, auth, policy)
    except OSError as e:
        raise Unavailable(f"cannot store {name} below {store.root}: {e}") from e
    finally:
        await discard(store, layout)


def _checked(
    store: ImageStore, layout: Layout, found: Found, reference: Reference
) -> Content | Artifact:
    """Check what the worker found, and write it into the layout. Blocks."""
    named = digest_of(found.index or found.manifest)
    if found.digest != named or (reference.digest and reference.digest != named):
        raise ToolFailed(f"{found.reference}: {found.host} answered with {named} instead")
    content = artifact.content(found.manifest, found.config)
    if manifest.config_digest(found.manifest) != digest_of(found.config):
        raise ToolFailed(f"{found.reference}: its config has the digest {digest_of(found.config)}")
    for data in (found.manifest, found.config):
        layout.write(data)
    if isinstance(content, Artifact):
        return content
    chosen = bool(found.index or reference.digest)
    try:
        manifest.check_platform(found.config, store.architecture)
    except ToolFailed as e:
        if not chosen:
            raise
        _log.warning("%s is used though its config says otherwise: %s", found.reference, e)
    for blob in content.layers if store.keep_blobs else ():
        kept = store.blobs.path(blob.digest)
        if is_whole(kept, blob.size) and store.catalog.blob(blob.digest) is not None:
            layout.link(kept)
    return content


def _show(seen: PullProgress, found: Found, content: Content | Artifact) -> None:
    """Let those who watch see the image's layers."""
    totals = {blob.digest: blob.size for blob in content.layers}
    seen.layers = [LayerProgress(digest, total) for digest, total in totals.items()]
    seen.described = len(found.manifest) + len(found.config)
    seen.reference, seen.host = found.reference, found.host
    seen.changed()


async def _search(
    store: ImageStore,
    references: Sequence[Reference],
    auth: api.AuthConfig | None,
    policy: InForce,
) -> str:
    """Try the meanings of a name in order, with skopeo."""
    for reference in references[:-1]:
        try:
            return (await _copy(store, reference, auth, policy)).id
        except (NotFound, ToolFailed):
            continue  # the next registry may have it; the caller gets the last one's error
    return (await _copy(store, references[-1], auth, policy)).id


async def _copy(
    store: ImageStore, reference: Reference, auth: api.AuthConfig | None, policy: InForce
) -> ImageRecord:
    verdict = policy.check(reference)
    own = credentials.credential(auth, reference.registry)
    with credentials.authfile(store.secrets, reference.registry, own) as authfile:
        digest = reference.digest
        if not digest:
            digest = digest_of(await store.skopeo.manifest(_source(store, reference), authfile))
        exact = reference.by_digest(digest)
        left = await verify(
            store.skopeo, verdict.requirements, reference, [digest], authfile, store.secrets
        )
        with policy_file(left, reference, store.secrets) as file:
            return await bring(
                store,
                _source(store, exact),
                authfile,
                file,
                tags=[] if reference.digest else [str(reference)],
                digests=[str(exact)],
            )


def _source(store: ImageStore, reference: Reference) -> str:
    return f"{store.transport}{reference}"
