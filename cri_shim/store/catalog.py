"""The images and layers that exist: the truth is in memory, and each change is written to records.

An image is visible if its record is on the disk and all its layers are here, and only then. Layers
are used by images, by containers (a callable returns theirs), and by running pulls (`hold`); other
layers are unused.

Which layer a registry's blob is was found out here, when the blob was unpacked or hashed; the
record of the layer has it. The statements of an image about its blobs are only compared with that.

A layer is used long before its files have reached the disk. Until `settled`, a note "unsynced" has
the boot in which it was unpacked: after a power cut such a layer may have empty files, so the next
boot drops it, unless its digest shows that it is whole. If only the daemon dies, nothing is lost.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from cri_shim.errors import Unavailable
from cri_shim.pb.state_pb2 import ImageRecord, LayerRecord
from cri_shim.store import manifest

_UNSYNCED = "unsynced/"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KnownBlob:
    """What a blob is, as found by hashing it here."""

    diff_id: str
    size: int


def stack(image: ImageRecord) -> list[str]:
    """Return the layers of a root file system of the image: diff-ids, bottom first."""
    layers = list(image.redirected or image.layers)
    return [*layers, image.directories] if image.directories else layers


def needed(image: ImageRecord) -> set[str]:
    """Return all layers of the image: those of its root file system, and its own."""
    return {*stack(image), *image.layers}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the records of the last run became."""

    doubtful: set[str]  # layers that the caller must delete: no container of this boot uses one
    incomplete: list[ImageRecord]  # not visible: only layers that are made of others are missing
    left: set[str]  # the layers of images that were dropped, some of which are here


class Records(Protocol):
    """The part of the state store that the catalog needs."""

    def items(self, kind: str) -> Iterator[tuple[str, bytes]]: ...
    def put(self, kind: str, id: str, value: bytes) -> None: ...
    def write(self, batch: Sequence[tuple[str, str, bytes | None]]) -> None: ...
    def keep(self, everything: Callable[[], Iterable[tuple[str, str, bytes | None]]]) -> None: ...
    def delete(self, kind: str, id: str) -> None: ...
    async def sync(self) -> None: ...


class Catalog:
    def __init__(self, records: Records, boot_id: str) -> None:
        self._records = records
        self._boot = boot_id.encode()
        self._images: dict[str, ImageRecord] = {}
        self._by_name: dict[str, str] = {}  # tag or repo digest -> image id
        self._users: dict[str, str] = {}  # image id -> User of its config
        self._layers: dict[str, LayerRecord] = {}
        self._unsynced: set[str] = set()  # diff-ids of layers whose files may not be on the disk
        self._blobs: dict[str, KnownBlob] = {}  # by digest; of the layers that are here
        self._held: Counter[str] = Counter()
        records.keep(self._everything)

    def doubtful(self) -> set[str]:
        """Return the layers that a power cut in another boot may have damaged."""
        return {diff_id for diff_id, boot in self._notes().items() if boot != self._boot}

    def _notes(self) -> dict[str, bytes]:
        """Return the boots in which the unsettled layers were unpacked."""
        return {
            id.removeprefix(_UNSYNCED): boot
            for id, boot in self._records.items("meta")
            if id.startswith(_UNSYNCED)
        }

    def load(
        self,
        images: Iterable[ImageRecord],
        layers: Iterable[LayerRecord],
        present: set[str],
        intact: Collection[str] = (),
    ) -> Loaded:
        """Take over the records of the last run; `present` are the layers that exist.

        `intact` are layers that were found whole on the disk. An image is dropped if one of its
        layers is missing or may be damaged by a power cut. Other images stay, and the next pull
        brings it back.
        """
        self._layers = {layer.diff_id: layer for layer in layers}
        doubtful = self.doubtful() - set(intact)
        self._unsynced = set(self._notes())
        self.settled(intact)
        for layer in self._layers.values():
            self._learn(layer)
        for diff_id in (self._layers.keys() - present) | doubtful:
            self.forget_layer(diff_id)
        loaded = Loaded(doubtful, [], set())
        for image in images:
            missing = [layer for layer in needed(image) if layer not in self._layers]
            if not missing:
                self._swap(image)
            elif set(missing).isdisjoint(image.layers):
                loaded.incomplete.append(image)
            else:
                loaded.left.update(image.layers)
                what = f"{len(missing)} of its layers are missing or doubtful, first {missing[0]}"
                self.drop(image, what)
        return loaded

    def drop(self, image: ImageRecord, why: str) -> None:
        """Delete the record of an image that is not visible."""
        _log.warning("image %s is dropped, %s", image.id, why)
        self._records.delete("image", image.id)

    # -- images -------------------------------------------------------------------------------

    def images(self) -> list[ImageRecord]:
        return list(self._images.values())

    def image(self, id: str) -> ImageRecord | None:
        return self._images.get(id)

    def ids_from(self, prefix: str) -> list[str]:
        return [id for id in self._images if id.startswith(prefix)]

    def named(self, name: str) -> ImageRecord | None:
        """Return the image of a fully qualified tag or repo digest."""
        id = self._by_name.get(name)
        return self._images[id] if id is not None else None

    def user(self, image: ImageRecord) -> str:
        """Return the User of the image's config, which is parsed once."""
        known = self._users.get(image.id)
        if known is None:
            known = self._users[image.id] = manifest.user_of(image.config)
        return known

    async def add(self, image: ImageRecord) -> ImageRecord:
        """Make an image visible, or add names to it; on return it survives a power cut.

        If another image has the tag, the tag moves to this one.
        """
        known = self._images.get(image.id)
        merged = ImageRecord()
        merged.CopyFrom(image)
        if known is not None:
            merged.repo_tags[:] = dict.fromkeys([*known.repo_tags, *image.repo_tags])
            merged.repo_digests[:] = dict.fromkeys([*known.repo_digests, *image.repo_digests])
            merged.created_at, merged.pinned = known.created_at, known.pinned or image.pinned
        changed = [merged, *self._without(image)]
        self._records.write([("image", r.id, r.SerializeToString()) for r in changed])
        for record in reversed(changed):
            self._swap(record)
        await self._records.sync()
        return merged

    def _without(self, image: ImageRecord) -> Iterator[ImageRecord]:
        """Yield the images that lose names to `image`."""
        names = {*image.repo_tags, *image.repo_digests}
        losers = {self._by_name[name] for name in names if name in self._by_name} - {image.id}
        for id in losers:
            loser = ImageRecord()
            loser.CopyFrom(self._images[id])
            loser.repo_tags[:] = [tag for tag in loser.repo_tags if tag not in names]
            loser.repo_digests[:] = [name for name in loser.repo_digests if name not in names]
            yield loser

    async def strip(self, id: str, names: Collection[str]) -> None:
        """Remove names of an image, which stays; on return the change survives a power cut."""
        image = ImageRecord()
        image.CopyFrom(self._images[id])
        image.repo_tags[:] = [tag for tag in image.repo_tags if tag not in names]
        image.repo_digests[:] = [digest for digest in image.repo_digests if digest not in names]
        self._records.put("image", id, image.SerializeToString())
        self._swap(image)
        await self._records.sync()

    async def remove(self, id: str) -> None:
        """Remove an image with all its names: it is invisible at once, and for good on return.

        A full disk does not prevent the removal. Then the record may stay on the disk after the
        daemon; it names layers that are gone, and the next start drops it.
        """
        image = self._images.pop(id, None)
        if image is None:
            return
        self._forget_names(id)
        self._users.pop(id, None)
        self._records.delete("image", id)
        with suppress(Unavailable):
            await self._records.sync()

    def _swap(self, image: ImageRecord) -> None:
        self._forget_names(image.id)
        self._images[image.id] = image
        for name in (*image.repo_tags, *image.repo_digests):
            self._by_name[name] = image.id

    def _forget_names(self, id: str) -> None:
        for name in [name for name, owner in self._by_name.items() if owner == id]:
            del self._by_name[name]

    # -- layers -------------------------------------------------------------------------------

    def layers(self) -> list[LayerRecord]:
        return list(self._layers.values())

    def layer(self, diff_id: str) -> LayerRecord | None:
        return self._layers.get(diff_id)

    def describes_root(self, diff_id: str) -> bool | None:
        """Return whether the layer describes `/`; None if its record does not say so."""
        layer = self._layers.get(diff_id)
        if layer is None or not layer.described:
            return None
        return b"" not in layer.implied

    def add_layer(self, layer: LayerRecord, commit: Callable[[], None]) -> None:
        """Record a layer whose directory `commit` renames; its files may reach the disk later."""
        self._records.put("meta", _UNSYNCED + layer.diff_id, self._boot)
        self._unsynced.add(layer.diff_id)
        commit()
        self._records.put("layer", layer.diff_id, layer.SerializeToString())
        self._layers[layer.diff_id] = layer
        self._learn(layer)

    def change_layer(self, layer: LayerRecord) -> None:
        """Update the record of a layer; does nothing if the layer is gone by now."""
        if layer.diff_id in self._layers:
            self._layers[layer.diff_id] = layer
            self._learn(layer)
            with suppress(Unavailable):  # a full disk: it can be found out again
                self._records.put("layer", layer.diff_id, layer.SerializeToString())

    def blob(self, digest: str) -> "KnownBlob | None":
        """Return what is known of a blob; None if it, or its layer, was never here."""
        return self._blobs.get(digest)

    def blobs(self) -> "dict[str, KnownBlob]":
        return dict(self._blobs)

    def _learn(self, layer: LayerRecord) -> None:
        for blob in layer.blobs:
            self._blobs[blob.digest] = KnownBlob(layer.diff_id, blob.size)

    def unsettled(self) -> list[str]:
        """Return the layers whose files may not be on the disk yet."""
        return sorted(self._unsynced)

    def settled(self, diff_ids: Iterable[str]) -> None:
        """Note that the files of these layers are on the disk."""
        for diff_id in diff_ids:
            self._unsynced.discard(diff_id)
            self._records.delete("meta", _UNSYNCED + diff_id)

    def forget_layer(self, diff_id: str) -> None:
        layer = self._layers.pop(diff_id, None)
        for blob in layer.blobs if layer is not None else ():
            self._blobs.pop(blob.digest, None)
        self._records.delete("layer", diff_id)
        self.settled([diff_id])

    def _everything(self) -> Iterator[tuple[str, str, bytes | None]]:
        for diff_id in self._unsynced:
            yield "meta", _UNSYNCED + diff_id, self._boot
        for layer in self._layers.values():
            yield "layer", layer.diff_id, layer.SerializeToString()
        for image in self._images.values():
            yield "image", image.id, image.SerializeToString()

    @contextmanager
    def hold(self, diff_ids: Iterable[str]) -> Iterator[None]:
        """Keep these layers during the block, whether they exist already or not."""
        held = list(diff_ids)
        self._held.update(held)
        try:
            yield
        finally:
            self._held -= Counter(held)

    def used(self) -> set[str]:
        """Return the diff-ids that images and running pulls use."""
        return {layer for image in self._images.values() for layer in needed(image)} | set(
            self._held
        )
