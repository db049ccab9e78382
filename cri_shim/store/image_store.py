"""The whole store: directories, layers and catalog, and the code that keeps them consistent.

    ROOT/images/blobs/sha256/   manifests and configs; layer blobs too under keep_blobs
    ROOT/images/layouts/        one directory for each running pull
    ROOT/layers/, recipes/      unpacked layers, and how to make their tars again
    ROOT/containers/ID/         a container's writable layer
    RUN_ROOT/images/ID/         an image that is mounted for reading
    RUN_ROOT/layers/HEX         a layer that is a file system of its own and in use

The records decide what stays: at start, everything without a record is deleted.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cri_shim.aio.child import run
from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import offload
from cri_shim.aio.tasks import Tasks
from cri_shim.errors import CriShimError
from cri_shim.linux import mounts
from cri_shim.linux.disk import Usage
from cri_shim.linux.privacy import make_private
from cri_shim.pb.state_pb2 import ImageRecord, LayerRecord
from cri_shim.spec.image_config import MAX_BYTES
from cri_shim.store import layer_store, manifest, usage
from cri_shim.store.additions import Additions
from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.store.artifact import Artifact
from cri_shim.store.artifact_tree import ArtifactTrees
from cri_shim.store.blobs import Blobs
from cri_shim.store.catalog import Catalog, KnownBlob, Records, needed
from cri_shim.store.deletion import delete
from cri_shim.store.derived import Derived
from cri_shim.store.fetching.artifact_blobs import ArtifactBlobs
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.fetching.grace import GRACE_S, Grace
from cri_shim.store.fetching.new_layers import NewLayers
from cri_shim.store.fetching.progress import Pulls
from cri_shim.store.layer_store import LayerStore
from cri_shim.store.layers import Layers
from cri_shim.store.layout import Layout
from cri_shim.store.manifest import Content
from cri_shim.store.mounting.layer_mounts import LayerMounts
from cri_shim.store.mounting.mounted import Mounted
from cri_shim.store.mounting.rootfs import Rootfs
from cri_shim.store.pins import Pins
from cri_shim.store.settings import ImageSettings
from cri_shim.store.trust.policies import Policies
from cri_shim.untrusted import read_file

SETTLE_DELAY_S = 5.0  # a start mostly follows a pull, and should not wait for the disk
CLOSE_GRACE_S = 2.0
_SETTLE = "settle layers"
_COUNT = "count what layers take"

_log = logging.getLogger(__name__)


class ImageStore:
    def __init__(
        self,
        root: Path,
        run_root: Path,
        records: Records,
        *,
        boot_id: str,
        skopeo: Skopeo,
        fetcher: Fetcher | None = None,
        architecture: str = "",
        keep_blobs: bool = False,
        transport: str = "docker://",
        search: Sequence[str] = (),
        pins: Pins | None = None,
        policies: Policies | None = None,
        held_layers: Callable[[], set[str]] = set,
        parallel: int = 0,
        userns: bool = False,
        mount_program: str = "",
        layers_as: str = layer_store.AUTO,
        grace: float = GRACE_S,
        pulls_at_once: int = 0,
    ) -> None:
        """Make a store; nothing is read from the disk before `recover`.

        `search` are the registries of short names, `transport` is skopeo's prefix of a name.
        `userns`: the daemon is root of a user namespace only; `mount_program` is then the program
        that mounts root file systems if the kernel cannot: fuse-overlayfs. `held_layers` returns
        the diff-ids that containers use; `parallel` is the limit of child processes that unpack (0:
        one for each CPU). `grace`: seconds for which the layers of a failed pull are kept;
        `pulls_at_once` is the limit for one registry (0: none). `layers_as` is what new
        layers become, see `layer_store`.
        """
        self.root = root
        self.secrets = run_root / "secrets"
        self.layouts = root / "images" / "layouts"
        self.blobs = Blobs(root / "images" / "blobs" / "sha256")
        self.containers = root / "containers"
        self.architecture = architecture or manifest.host_architecture()
        fetcher = fetcher or Fetcher(architecture=self.architecture)
        policies, pins = policies or Policies(), pins or Pins()
        own = ImageSettings(skopeo, fetcher, tuple(search), pins, policies, transport)
        self.follow(lambda: own)
        self.layer_mounts = LayerMounts(run_root / "layers")
        self.layers = Layers(
            root / "layers",
            self.layer_mounts,
            parallel=parallel,
            userns=userns,
            standby=self.fetcher.standby_s,
        )
        self.layer_store = LayerStore(layers_as, "not chosen yet")
        self.catalog = Catalog(records, boot_id)
        self.rootfs = Rootfs(
            self.layers.opened,
            self.containers,
            boot_id,
            self.delete_later,
            self.catalog.describes_root,
            userns=userns,
            program=mount_program,
        )
        self.mounted = Mounted(run_root / "images", self.rootfs)
        self._userns = userns
        self.pulls = Pulls()
        self.grace = Grace(grace, self.collect)
        self.turns = KeyedLock(  # key: registry
            pulls_at_once or sys.maxsize, "other pulls of the registry (image.pulls_at_once)"
        )
        self.keep_blobs = keep_blobs
        self._held_by_containers = held_layers
        additions = Additions(self.layers, self.catalog, self.delete_later)
        self.new_layers = NewLayers(self.layers, self.catalog, additions)
        self.derived = Derived(self.layers, self.catalog, additions, self.rootfs.lowers)
        self.artifact_blobs = ArtifactBlobs(self.blobs)
        self.artifact_trees = ArtifactTrees(self.layers, self.catalog, additions, self.blobs)
        self._layer_blobs: dict[str, frozenset[str]] = {}  # image id -> digests
        self._background = Tasks()

    def follow(self, settings: Callable[[], ImageSettings]) -> None:
        """Take the settings of each use from `settings`, which is cheap, from now on."""
        self.settings = settings

    @property
    def skopeo(self) -> Skopeo:
        return self.settings().skopeo

    @property
    def fetcher(self) -> Fetcher:
        return self.settings().fetcher

    @property
    def search(self) -> Sequence[str]:
        return self.settings().search

    @property
    def pins(self) -> Pins:
        return self.settings().pins

    @property
    def policies(self) -> Policies:
        return self.settings().policies

    @property
    def transport(self) -> str:
        return self.settings().transport

    async def recover(self, images: Iterable[ImageRecord], layers: Iterable[LayerRecord]) -> None:
        """Take over the state of the last daemon: load the records, delete files without a record.

        A mounted layer stays, even without a record; a later start that finds it unmounted deletes
        it. Call it when `held_layers` knows every container. ConfigError if EROFS is asked for but
        not possible.
        """
        for directory in (
            self.layouts.parent,
            self.layouts,
            self.layers.directory,
            self.containers,
        ):
            make_private(directory)
        self.delete_later(self.blobs.recover())
        self.mounted.recover()
        await offload(self.layer_mounts.recover)
        await self._choose_layer_store()
        layers = list(layers)
        intact = await offload(self._intact, layers)
        loaded = self.catalog.load(images, layers, self.layers.present(), intact)
        self.delete_later(self.layers.discard(loaded.doubtful))
        for image in loaded.incomplete:
            await self._complete_again(image)
        self.grace.keep(loaded.left)  # the next pull fetches only what is missing
        for image in self.catalog.images():
            if not image.artifact_type:
                self._note_blobs(image)
        writable = list(self.containers.iterdir())
        hidden = [d for d in writable if d.name[0] == "."]
        for own in writable:
            if own.name[0] != ".":
                self.rootfs.writable.add(own.name)
        secrets = list(self.secrets.iterdir()) if self.secrets.is_dir() else []
        self.delete_later([*self.layouts.iterdir(), *self.layers.leftovers(), *hidden, *secrets])
        strangers = self.layers.present() - {layer.diff_id for layer in self.catalog.layers()}
        kept = self.held_layers()
        if strangers - kept:  # of a lost state: a container may still run on them
            kept |= {f"sha256:{d}" for d in mounts.lower_directories(mounts.mountinfo())}
        self.delete_later(self.layers.discard(strangers - kept))
        self.collect()
        self._settle_later(self.catalog.unsettled(), delay=0)
        self._count_later()

    async def _complete_again(self, image: ImageRecord) -> None:
        """Make what a power cut has taken of an image and what its own layers are enough for."""
        try:
            with self.catalog.hold(image.layers):
                async with self.derived.complete(image):
                    await self.catalog.add(image)
        except (CriShimError, OSError) as e:
            self.catalog.drop(image, f"what is made of its layers cannot be made again: {e}")

    async def _choose_layer_store(self) -> None:
        wanted = self.layer_store.kind
        trial = partial(layer_store.choose, wanted, self.layers.directory, self.layer_mounts)
        if self._userns:
            reason = "the daemon is root of a user namespace only"
            trial = partial(layer_store.without, wanted, reason)
        self.layer_store = await offload(trial)
        self.layers.erofs = self.layer_store.kind == layer_store.EROFS
        _log.info("new layers become %s: %s", self.layer_store.kind, self.layer_store.reason)

    def _intact(self, layers: Sequence[LayerRecord]) -> set[str]:
        """Return the doubtful layers that are whole all the same; name those that are not."""
        intact = set()
        doubtful = self.catalog.doubtful()
        for layer in layers:
            if layer.diff_id not in doubtful or not layer.erofs_digest:
                continue
            if self.layers.is_intact(layer):
                intact.add(layer.diff_id)
            else:
                _log.warning(
                    "layer %s is damaged: its file is not what was unpacked; it is dropped, and the"
                    " next pull brings it back", layer.diff_id,
                )  # fmt: skip
        return intact

    # -- pulling ------------------------------------------------------------------------------

    def unpacked_blobs(self) -> Mapping[str, KnownBlob]:
        """Return the layer blobs that need no transfer: their unpacked layers are here."""
        known = self.catalog.blobs()
        here = {
            layer for layer in {k.diff_id for k in known.values()} if self.layers.is_here(layer)
        }
        return {blob: layer for blob, layer in known.items() if layer.diff_id in here}

    async def keep(
        self, content: Content | Artifact, layout: Layout, image: ImageRecord
    ) -> ImageRecord:
        """Keep the image's blobs and make it visible. Its layers must be unpacked."""
        blobs = list(content.described)
        if self.keep_blobs and isinstance(content, Content):
            # A layer that was here before may have only a placeholder.
            blobs += [blob.digest for blob in content.layers if layout.has(blob.digest)]
        for digest in dict.fromkeys(blobs):
            if layout.has(digest):  # the config of an artifact may be kept already, as its file
                self.blobs.take(layout.blob(digest), digest)
        # No await between the blobs and the record: `collect` would delete blobs without a record.
        if isinstance(content, Content):
            self._layer_blobs[image.id] = frozenset(blob.digest for blob in content.layers)
        record = await self.catalog.add(image)
        self.grace.release([*content.diff_ids, *(blob.digest for blob in content.layers)])
        self._settle_later(self.catalog.unsettled(), delay=SETTLE_DELAY_S)
        self.release_mounts()  # of layers that were looked into
        return record

    def _note_blobs(self, image: ImageRecord) -> None:
        try:
            data = read_file(self.blobs.path(image.manifest_digest), MAX_BYTES)
            layers = manifest.layers_of(data)
        except (OSError, ValueError, CriShimError) as e:
            _log.warning("image %s: its manifest cannot be used: %s", image.id, e)
            return
        self._layer_blobs[image.id] = frozenset(blob.digest for blob in layers)

    def held_layers(self) -> set[str]:
        """Return the diff-ids that containers, mounts and failed pulls hold, without an image."""
        return self._held_by_containers() | self.mounted.held_layers() | self.grace.held

    # -- deletion -----------------------------------------------------------------------------

    def collect(self) -> None:
        """Remove unused layers and blobs; their files are deleted in the background.

        Call it after an image or a container was removed.
        """
        kept = self.catalog.used() | self.held_layers()
        unused = [layer.diff_id for layer in self.catalog.layers() if layer.diff_id not in kept]
        trash = self.layers.discard(unused)
        for diff_id in unused:
            self.catalog.forget_layer(diff_id)
        self.delete_later(trash + self.blobs.discard_all_but(self.named_blobs()))
        self.release_mounts()

    def release_mounts(self) -> None:
        """Unmount the layers that no container and no mounted image uses."""
        if self.layer_mounts.unused():
            names = {diff_id.removeprefix("sha256:") for diff_id in self.held_layers()}
            self._start(lambda: offload(self.layer_mounts.release, names), "unmount layers")

    def named_blobs(self) -> set[str]:
        """Return the digests of the blobs that images, layers and failed pulls need."""
        images = self.catalog.images()
        ids = {image.id for image in images}
        self._layer_blobs = {id: own for id, own in self._layer_blobs.items() if id in ids}
        held = set().union(*(layer.kept_blobs for layer in self.catalog.layers()))
        return self._blobs_of(images) | held | self.grace.held

    def _blobs_of(self, images: Iterable[ImageRecord]) -> set[str]:
        names: set[str] = set()
        for image in images:
            names |= {image.id, image.manifest_digest}
            if self.keep_blobs:
                names |= self._layer_blobs.get(image.id, frozenset())
            if image.artifact_type:
                names |= self._kept_with(image.layers)
        return names

    def _kept_with(self, layers: Iterable[str]) -> set[str]:
        """Return the blobs that are kept as long as one of these layers."""
        records = (self.catalog.layer(layer) for layer in layers)
        return set().union(*(record.kept_blobs for record in records if record is not None))

    def size_of(self, image: ImageRecord) -> int:
        """Return the bytes on the disk of all that the image has, also what it shares."""
        records = (self.catalog.layer(layer) for layer in needed(image))
        layers = sum(record.size for record in records if record is not None)
        return layers + self.blobs.usage(self._blobs_of([image])).used_bytes

    def only_of(self, ids: Collection[str]) -> Usage:
        """Return what the removal of these images frees: what nothing else needs."""
        gone = [image for image in self.catalog.images() if image.id in ids]
        stay = [image for image in self.catalog.images() if image.id not in ids]
        kept = {layer for image in stay for layer in needed(image)} | self.held_layers()
        free = {layer for image in gone for layer in needed(image)} - kept
        layers = usage.of_layers(layer for layer in self.catalog.layers() if layer.diff_id in free)
        blobs = self._blobs_of(gone) - self._blobs_of(stay) - self._kept_with(kept)
        return layers + self.blobs.usage(blobs)

    def delete_later(self, paths: Sequence[Path]) -> None:
        """Delete unused paths in the background."""
        if paths:
            self._start(lambda: delete(*paths), "delete unused layers")

    def _settle_later(self, diff_ids: Sequence[str], delay: float) -> None:
        if diff_ids:
            self._start(lambda: self._settle(diff_ids, delay), _SETTLE)

    async def _settle(self, diff_ids: Sequence[str], delay: float) -> None:
        await asyncio.sleep(delay)
        paths = self.layers.settling(diff_ids)
        whole = ["--file-system"] if paths is None else []
        what = [self.layers.directory] if paths is None else paths
        done = await run(["sync", *whole, *map(os.fspath, what)])
        if done.returncode == 0:
            self.catalog.settled(diff_ids)

    # -- disk usage ---------------------------------------------------------------------------

    def usage(self) -> Usage:
        """Return the usage of layers with their recipes, and of blobs, without running pulls."""
        return usage.of_layers(self.catalog.layers()) + self.blobs.usage()

    def _count_later(self) -> None:
        if uncounted := [layer for layer in self.catalog.layers() if not layer.counted]:
            self._start(lambda: self._count(uncounted), _COUNT)

    async def _count(self, layers: Sequence[LayerRecord]) -> None:
        """Count layers of older records, which have only an estimate."""
        for layer in layers:
            if not self.layers.is_here(layer.diff_id):
                continue
            taken = await offload(self.layers.usage, layer.diff_id)
            counted = LayerRecord()
            counted.CopyFrom(self.catalog.layer(layer.diff_id) or layer)
            counted.size, counted.inodes, counted.counted = taken.used_bytes, taken.inodes, True
            self.catalog.change_layer(counted)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._background.spawn(name, self._logged(work, name))

    async def _logged(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        try:
            await work()
        except CriShimError as e:
            _log.warning("%s: %s; the next start tries again", name, e)

    async def close(self) -> None:
        """Wait CLOSE_GRACE_S for deletions, end the rest; the next start finds what is left."""
        self.pulls.close()
        self.grace.close()
        await self.fetcher.close()
        await self.layers.close()
        await self.rootfs.writable.close()
        for task in self._background:
            if task.get_name() in (_SETTLE, _COUNT):
                task.cancel()
        await self._background.drain(CLOSE_GRACE_S)
        await offload(self.layer_mounts.close)
