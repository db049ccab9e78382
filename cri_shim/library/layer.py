"""The layers on this node, and their users."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cri_shim.engine import Engine
from cri_shim.store.catalog import stack


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer on top of certain other layers; its id is the OCI's ChainID of them all.

    The same diff-id on top of other layers is another Layer in the same directory: it uses the disk
    once, even if it is listed several times.
    """

    id: str  # sha256:...; the id of a bottom layer is its diff-id
    parent: str  # the id of the layer below; "" at the bottom
    diff_id: str
    size: int  # bytes on this disk
    created: datetime | None  # when it was unpacked here; None if its files are gone
    images: tuple[str, ...]  # ids of the images that contain it; the next two are ids, too
    containers: tuple[str, ...]
    mounts: tuple[str, ...]  # mounted images

    @property
    def age(self) -> float:
        """Seconds since it was unpacked."""
        return (datetime.now(UTC) - self.created).total_seconds() if self.created else 0.0


@dataclass(slots=True)
class _Found:
    parent: str
    diff_id: str
    users: dict[str, dict[str, None]] = field(
        default_factory=lambda: {"image": {}, "container": {}, "mount": {}}
    )


def layers(engine: Engine) -> list[Layer]:
    """Return all layers, each after its parent.

    A layer without users belongs to a running pull; it is listed as a bottom layer.
    """
    found: dict[str, _Found] = {}
    for kind, user, diff_ids in _stacks(engine):
        parent = ""
        for diff_id in diff_ids:
            id = chain_id(parent, diff_id)
            found.setdefault(id, _Found(parent, diff_id)).users[kind][user] = None
            parent = id
    used = {layer.diff_id for layer in found.values()}
    for record in engine.images.catalog.layers():
        if record.diff_id not in used:
            found[record.diff_id] = _Found("", record.diff_id)
    return [_layer(engine, id, layer) for id, layer in found.items()]


def chain_id(parent: str, diff_id: str) -> str:
    """Return the id of a layer on top of `parent`, as the OCI image specification defines it."""
    if not parent:
        return diff_id
    return "sha256:" + hashlib.sha256(f"{parent} {diff_id}".encode()).hexdigest()


def _stacks(engine: Engine) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield (kind of user, its id, diff-ids bottom first)."""
    for image in engine.images.catalog.images():
        yield "image", image.id, stack(image)
        if image.redirected:
            yield "image", image.id, image.layers
    for container in engine.objects.everything()[1]:
        yield "container", container.id, container.layers
        for volume in container.image_volumes:
            yield "container", container.id, volume.layers
    for id, diff_ids in engine.images.mounted.images().items():
        yield "mount", id, diff_ids


def _layer(engine: Engine, id: str, found: _Found) -> Layer:
    record = engine.images.catalog.layer(found.diff_id)
    created = None
    try:
        # A layer does not change after its rename to the final name.
        named = engine.images.layers.path(found.diff_id).stat().st_ctime
        created = datetime.fromtimestamp(named, UTC)
    except FileNotFoundError:
        pass
    return Layer(
        id=id,
        parent=found.parent,
        diff_id=found.diff_id,
        size=record.size if record is not None else 0,
        created=created,
        images=tuple(found.users["image"]),
        containers=tuple(found.users["container"]),
        mounts=tuple(found.users["mount"]),
    )
