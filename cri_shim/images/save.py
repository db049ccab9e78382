"""Saves an image to a file or directory of this node, for skopeo, podman, docker, or `load`.

If the blobs of its layers were kept (`image.keep_blobs`), they are saved as they were pulled.
Otherwise each layer's tar is rebuilt, byte for byte, from the unpacked files and its recipe. Then
the manifest is new, but config and id are the same. Some layers cannot be rebuilt: they were
unpacked by a cri-shim that wrote no recipes, or have a file twice. They are packed again from the
unpacked files. Such a layer is a different one, so the config is rewritten and the id changes.
`save` returns the id that was saved, and the log has a warning.
"""

import asyncio
import json
import logging
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cri_shim.activity import Step, Subject
from cri_shim.aio.offload import finish, offload, opened
from cri_shim.engine import Engine
from cri_shim.errors import AlreadyExists, InvalidArgument, NotFound, ToolFailed, Unavailable
from cri_shim.faults import fault_point
from cri_shim.images.arrival import discard
from cri_shim.images.load import TRANSPORTS
from cri_shim.images.query import find
from cri_shim.images.tag import tag_of
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.spec import image_config
from cri_shim.store import manifest
from cri_shim.store.deletion import delete
from cri_shim.store.image_store import ImageStore
from cri_shim.store.layout import Layout, is_whole
from cri_shim.untrusted import read_file

_log = logging.getLogger(__name__)


async def save(engine: Engine, reference: str, target: str, names: Sequence[str] = ()) -> str:
    """Write the image to `target`, a transport and an absolute path; return the id saved.

    `names` are its names in the target; the default is all its own. A docker-archive has all of
    them, the OCI forms only the first, a `dir` none. The target is written whole or not at all; a
    process that dies meanwhile leaves a hidden file or directory beside it. AlreadyExists if the
    target exists.
    """
    store, image = engine.images, find(engine, reference)
    transport, path = _target(target)
    if image.artifact_type and transport == "docker-archive":
        kinds = ", ".join(f"{t}:/PATH" for t in TRANSPORTS if t != transport)
        problem = f"a docker-archive cannot have an artifact ({image.artifact_type}), use {kinds}"
        raise InvalidArgument("target", problem)
    tags = [tag_of(name) for name in names] or list(image.repo_tags)
    layout = Layout(store.layouts)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    subject = Subject("image", next(iter(image.repo_tags), ""), image.id)
    with store.catalog.hold(image.layers), engine.work.operations.serving("SaveImage", subject):
        try:
            fault_point("images.save.layers")
            with Step("layers", "its layers to be packed", expected=True, program=True):
                saved, exact = await _fill(store, image, layout)
            fault_point("images.save.export")
            await store.skopeo.export(
                layout.path,
                f"{transport}:{partial}" + (f":{tags[0]}" if tags and transport != "dir" else ""),
                exact=exact and transport != "docker-archive",
                names=tags[1:] if transport == "docker-archive" else (),
            )
            partial.rename(path)
        except OSError as e:
            raise Unavailable(f"cannot save image {image.id} to {target}: {e}") from e
        finally:
            await finish(_clear(store, layout, partial))
    return saved


def _target(target: str) -> tuple[str, Path]:
    transport, _, text = target.partition(":")
    path = Path(text)
    if transport not in TRANSPORTS or not path.is_absolute() or ":" in text:
        kinds = ", ".join(f"{t}:/PATH" for t in TRANSPORTS)
        raise InvalidArgument("target", f"{target!r} is not one of {kinds}, without another colon")
    if os.path.lexists(path):
        raise AlreadyExists(f"cannot save to {target}: {path} exists already; remove it first")
    if not path.parent.is_dir():
        raise NotFound(f"cannot save to {target}: there is no directory {path.parent}")
    return transport, path


async def _clear(store: ImageStore, layout: Layout, partial: Path) -> None:
    with suppress(ToolFailed):
        await delete(partial)
    await discard(store, layout)
    store.collect()  # in case the image was removed meanwhile


async def _fill(store: ImageStore, image: ImageRecord, layout: Layout) -> tuple[str, bool]:
    """Put the image into the layout; return its id there, and whether no digest has changed."""
    layout.create({}, store.blobs)
    original = _manifest_of(store, image)
    if image.artifact_type:
        await offload(_link_all, store, image, layout)
        layout.finish(original)
        return image.id, True
    described = manifest.descriptors_of(original)
    try:
        async with asyncio.TaskGroup() as group:
            having = [
                group.create_task(_layer(store, layout, diff_id, blob))
                for diff_id, blob in zip(image.layers, described, strict=True)
            ]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    layers = [task.result() for task in having]
    config = _config(image, [diff_id for diff_id, _ in layers])
    exact = [blob for _, blob in layers] == described
    layout.write(config)
    layout.finish(original if exact else manifest.compose(config, [blob for _, blob in layers]))
    return manifest.digest_of(config).removeprefix("sha256:"), exact


def _manifest_of(store: ImageStore, image: ImageRecord) -> bytes:
    file = store.blobs.path(image.manifest_digest)
    try:
        return read_file(file, image_config.MAX_BYTES)
    except FileNotFoundError as e:
        raise NotFound(f"image {image.id}: its manifest is lost; pull the image again") from e


def _link_all(store: ImageStore, image: ImageRecord, layout: Layout) -> None:
    """Put the blobs of an artifact into the layout; each was kept. Blocks."""
    tree = store.catalog.layer(image.layers[0])
    for digest in tree.kept_blobs if tree is not None else ():
        layout.link(store.blobs.path(digest))


async def _layer(
    store: ImageStore, layout: Layout, diff_id: str, described: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Put a layer's blob into the layout; return its diff-id and descriptor there."""
    kept = store.blobs.path(str(described["digest"]))
    if is_whole(kept, int(described["size"])):
        layout.link(kept)
        return diff_id, described
    tar = layout.path / f"{secrets.token_hex(8)}.tar"
    try:
        size = await store.layers.pack_again(diff_id, tar)
        packed = diff_id
    except ToolFailed as e:
        tar.unlink(missing_ok=True)
        _log.warning("%s; it is packed again, and the id of the saved image is another one", e)
        async with opened(store.layers.opened(diff_id)) as directory:
            packed, size = await store.layers.pack(directory, tar, None, ())
    tar.rename(layout.blob(packed))
    return packed, manifest.plain_layer(packed, size)


def _config(image: ImageRecord, diff_ids: list[str]) -> bytes:
    if diff_ids == list(image.layers):
        return image.config
    document = image_config.document(image.config)
    document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps(document, separators=(",", ":")).encode()
