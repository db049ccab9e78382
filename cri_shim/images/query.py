"""ListImages, ImageStatus, ImageFsInfo: from memory, never from a registry."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store import manifest, usage
from cri_shim.store.image_store import ImageStore
from cri_shim.store.reference import candidates, id_prefix

MEASURE_EVERY_S = 60.0  # the kubelet asks more often than writable layers are worth walking
_UID_LIMIT = 1 << 32


def resolve(store: ImageStore, reference: str) -> ImageRecord | None:
    """The image a reference means here: id (with or without sha256:), tag, digest, id prefix.

    A tag beside a digest is not looked at. InvalidArgument for a prefix of several ids.
    """
    prefix = id_prefix(reference)
    if found := store.catalog.image(prefix):
        return found
    try:
        names = candidates(reference, store.search)
    except InvalidArgument:
        names = []
    for name in names:
        exact = name.by_digest(name.digest) if name.digest else name
        if found := store.catalog.named(str(exact)):
            return found
    ids = store.catalog.ids_from(prefix) if prefix else []
    if len(ids) > 1:
        raise InvalidArgument("image.image", f"{reference} is ambiguous: {len(ids)} images match")
    return store.catalog.image(ids[0]) if ids else None


def list_images(store: ImageStore, filter: api.ImageFilter | None) -> Iterator[api.Image]:
    """All images that are still here at their turn, or the one that the filter names."""
    wanted = filter.image.image if filter is not None else ""
    if not wanted:
        ids = [image.id for image in store.catalog.images()]
        here = (store.catalog.image(id) for id in ids)
        yield from (to_api(image) for image in here if image is not None)
    elif (found := resolve(store, wanted)) is not None:
        yield to_api(found)


def status(
    store: ImageStore, reference: str, verbose: bool
) -> tuple[api.Image | None, Mapping[str, str]]:
    """The image and, if `verbose`, the map crictl prints."""
    found = resolve(store, reference)
    if found is None:
        return None, {}
    return to_api(found), _info(found) if verbose else {}


def to_api(image: ImageRecord) -> api.Image:
    """The CRI message. Its id is the bare hex digest of the config."""
    answer = api.Image(
        id=image.id,
        repo_tags=image.repo_tags,
        repo_digests=image.repo_digests,
        size=image.size,
        spec=api.ImageSpec(image=image.id),
        pinned=image.pinned,
    )
    user = manifest.user_of(image.config).partition(":")[0]
    if user.isascii() and user.isdigit() and int(user) < _UID_LIMIT:
        answer.uid.value = int(user)
        answer.uid.SetInParent()
    elif user:
        answer.username = user
    return answer


def _info(image: ImageRecord) -> Mapping[str, str]:
    spec = json.loads(image.config)
    config = spec.get("config") or {}
    return {"info": json.dumps({"labels": config.get("Labels") or {}, "imageSpec": spec})}


@dataclass(slots=True)
class Measured:
    """The last walk over the writable layers."""

    last: usage.Usage = field(default_factory=lambda: usage.Usage(0, 0))
    at: float = -MEASURE_EVERY_S


async def fs_info(store: ImageStore, measured: Measured) -> api.ImageFsInfoResponse:
    """What images and containers take. Writable layers are walked once in MEASURE_EVERY_S."""
    if time.monotonic() - measured.at >= MEASURE_EVERY_S:
        measured.at = time.monotonic()
        measured.last = await offload(_writable, store.containers)
    images = usage.of_layers(store.catalog.layers())
    return api.ImageFsInfoResponse(
        image_filesystems=[usage.filesystem(store.root, images)],
        container_filesystems=[usage.filesystem(store.root, measured.last)],
    )


def _writable(containers: Path) -> usage.Usage:
    used = inodes = 0
    for container in containers.iterdir():
        own = usage.of_tree(container / "upper")
        used, inodes = used + own.used_bytes, inodes + own.inodes
    return usage.Usage(used, inodes)
