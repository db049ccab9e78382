"""Answers ListImages, ImageStatus and ImageFsInfo from memory, never from a registry."""

import json
from collections.abc import Iterator, Mapping

from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, InvalidImageName, NotFound
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.registry.reference import candidates, id_prefix
from cri_shim.spec import image_config
from cri_shim.state.rows import row
from cri_shim.store import usage
from cri_shim.store.image_store import ImageStore

_UID_LIMIT = 1 << 32


def resolve(engine: Engine, reference: str) -> ImageRecord | None:
    """Return the image of a reference: id (with or without sha256:), tag, digest or id prefix.

    A tag beside a digest is ignored. InvalidArgument if several ids have the prefix.
    """
    store = engine.images
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
        raise InvalidImageName(f"{reference} is ambiguous: {len(ids)} images match")
    return store.catalog.image(ids[0]) if ids else None


def find(engine: Engine, reference: str) -> ImageRecord:
    """Return the image of a reference; NotFound if there is none."""
    image = resolve(engine, reference)
    if image is None:
        raise NotFound(f"image {reference} is not on this node; pull it first")
    return image


def listed(engine: Engine, filter: api.ImageFilter | None = None) -> Iterator[api.Image]:
    """Yield all images that still exist at their turn, or the one that the filter names."""
    store = engine.images
    wanted = filter.image.image if filter is not None else ""
    if not wanted:
        ids = [image.id for image in store.catalog.images()]
        here: Iterator[ImageRecord | None] = (store.catalog.image(id) for id in ids)
    else:
        here = iter([resolve(engine, wanted)])
    for image in here:
        if image is not None and (shown := _row(store, image)) is not None:
            yield shown


def status(
    engine: Engine, reference: str, verbose: bool = False
) -> tuple[api.Image | None, Mapping[str, str]]:
    """Return the image, or None if it is not here; with `verbose` also the map for crictl."""
    found = resolve(engine, reference)
    shown = _row(engine.images, found) if found is not None else None
    if found is None or shown is None:
        return None, {}
    return shown, _info(found) if verbose else {}


def _row(store: ImageStore, image: ImageRecord) -> api.Image | None:
    """Return None for an image that cannot be shown."""
    return row("image", image.id, _shown, store, image)


def _shown(store: ImageStore, image: ImageRecord) -> api.Image:
    return to_api(
        image, store.catalog.user(image), size=store.size_of(image), pinned=store.pins.has(image)
    )


def to_api(image: ImageRecord, user: str, *, size: int = 0, pinned: bool = False) -> api.Image:
    """Return the CRI message. Its id is the bare hex digest of the config.

    `size` is that on the disk: the kubelet adds up what it has removed until it is enough. If it is
    not known, the bytes of the transfer are told, because 0 is not allowed.
    """
    answer = api.Image(
        id=image.id,
        repo_tags=image.repo_tags,
        repo_digests=image.repo_digests,
        size=size or image.size,
        spec=api.ImageSpec(image=image.id),
        pinned=pinned,
    )
    name = user.partition(":")[0]
    uid = _uid(name)
    if uid is not None:
        answer.uid.value = uid
        answer.uid.SetInParent()
    elif name:
        answer.username = name
    return answer


def _uid(name: str) -> int | None:
    """Return the uid in a User; None for a name, and for digits beyond the range of uids."""
    if not (name.isascii() and name.isdigit()):
        return None
    digits = name.lstrip("0") or "0"
    uid = int(digits) if len(digits) <= len(str(_UID_LIMIT)) else _UID_LIMIT
    return uid if uid < _UID_LIMIT else None


def _info(image: ImageRecord) -> Mapping[str, str]:
    spec = image_config.document(image.config)
    config = spec.get("config") or {}
    facts = {"labels": config.get("Labels") or {}, "imageSpec": spec}
    if image.artifact_type:
        facts["artifactType"] = image.artifact_type
    return {
        "info": json.dumps(facts, ensure_ascii=False)
    }  # escapes would make it three times as long


async def fs_info(engine: Engine) -> api.ImageFsInfoResponse:
    """Return the disk usage of images and containers; nothing is walked for the answer."""
    store = engine.images
    written = await store.rootfs.writable.total()
    return api.ImageFsInfoResponse(
        image_filesystems=[usage.filesystem(store.root, store.usage())],
        container_filesystems=[usage.filesystem(store.root, written)],
    )
