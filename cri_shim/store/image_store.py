"""The store put together: directories, layers, catalog, and what keeps them in step.

    ROOT/images/blobs/sha256/   manifests and configs; layer blobs too under keep_blobs
    ROOT/images/layouts/        one directory a pull in hand
    ROOT/layers/, recipes/      unpacked layers, and how to make their tars again
    ROOT/containers/ID/         a container's writable layer
    RUN_ROOT/images/ID/         an image that is mounted for reading

Everything here can be cleaned up from the records: what no record speaks of is deleted at start.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cri_shim.aio.child import run
from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import finish
from cri_shim.errors import CriShimError
from cri_shim.faults import fault_point
from cri_shim.linux import mounts
from cri_shim.linux.privacy import make_private
from cri_shim.pb.state_pb2 import ImageRecord, LayerRecord
from cri_shim.store import manifest
from cri_shim.store.catalog import Catalog, Records
from cri_shim.store.layers import Layers, delete
from cri_shim.store.layout import Layout
from cri_shim.store.manifest import Content
from cri_shim.store.mounted import Mounted
from cri_shim.store.rootfs import Rootfs
from cri_shim.store.skopeo import Skopeo

SETTLE_DELAY_S = 5.0  # a pull is mostly followed by a start, which should not wait for the disk
CLOSE_GRACE_S = 2.0
_SETTLE = "settle layers"

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
        architecture: str = "",
        keep_blobs: bool = False,
        transport: str = "docker://",
        search: Sequence[str] = (),
        held_layers: Callable[[], set[str]] = set,
        parallel: int = 0,
        userns: bool = False,
        mount_program: str = "",
    ) -> None:
        """`search` are the registries of short names, `transport` goes before a name for skopeo.

        `userns`: we are root of a user namespace only; `mount_program` is what mounts root file
        systems then, if the kernel does not: fuse-overlayfs.

        `held_layers` tells the diff-ids that containers stand on; `parallel` bounds the unpacking
        children (0: one a CPU).
        """
        self.root = root
        self.secrets = run_root / "secrets"
        self.layouts = root / "images" / "layouts"
        self.blobs = root / "images" / "blobs" / "sha256"
        self.containers = root / "containers"
        self.skopeo = skopeo
        self.architecture = architecture or manifest.host_architecture()
        self.transport = transport
        self.search = list(search)
        self.layers = Layers(root / "layers", parallel=parallel, userns=userns)
        self.catalog = Catalog(records, boot_id)
        self.rootfs = Rootfs(
            self.layers.directory,
            self.containers,
            boot_id,
            self.delete_later,
            userns=userns,
            program=mount_program,
        )
        self.mounted = Mounted(run_root / "images", self.rootfs)
        self._keep_blobs = keep_blobs
        self._held_by_containers = held_layers
        self._unpacking = KeyedLock()  # key: diff-id
        self._unpacked_as: dict[str, str] = {}  # layer blob digest -> diff-id
        self._background: set[asyncio.Task[None]] = set()

    async def recover(self, images: Iterable[ImageRecord], layers: Iterable[LayerRecord]) -> None:
        """Take over what the last daemon left: load the records, delete what none speaks of.

        A layer that is mounted stays, record or not; the start that finds it unmounted deletes it.

        Call it when `held_layers` knows every container.
        """
        own = (self.layouts.parent, self.layouts, self.blobs.parent, self.blobs)
        for directory in (*own, self.layers.directory, self.containers):
            make_private(directory)
        self.mounted.recover()
        doubtful = self.catalog.load(images, layers, self.layers.present())
        self.delete_later(self.layers.discard(doubtful))
        for image in self.catalog.images():
            self._learn(image)
        hidden = [d for d in self.containers.iterdir() if d.name[0] == "."]
        secrets = list(self.secrets.iterdir()) if self.secrets.is_dir() else []
        self.delete_later([*self.layouts.iterdir(), *self.layers.leftovers(), *hidden, *secrets])
        strangers = self.layers.present() - {layer.diff_id for layer in self.catalog.layers()}
        kept = self._held_layers()
        if strangers - kept:  # of a state that was lost: a container may run on them all the same
            kept |= {f"sha256:{d}" for d in mounts.lower_directories(mounts.mountinfo())}
        self.delete_later(self.layers.discard(strangers - kept))
        self.collect()
        self._settle_later(self.catalog.unsettled(), delay=0)

    # -- pulling ------------------------------------------------------------------------------

    def unpacked_blobs(self) -> Mapping[str, str]:
        """Layer blobs that need not be transferred, with the diff-ids they are here as."""
        return {
            blob: diff_id
            for blob, diff_id in self._unpacked_as.items()
            if self.catalog.layer(diff_id) is not None
        }

    async def unpack(self, content: Content, layout: Layout) -> None:
        """Have every layer of the image unpacked; the caller holds them. An error ends it all."""
        wanted = dict(zip(content.diff_ids, content.layers, strict=True))
        largest_first = sorted(wanted.items(), key=lambda item: -item[1].size)
        try:
            async with asyncio.TaskGroup() as group:
                for diff_id, blob in largest_first:
                    group.create_task(self._have_layer(layout.blob(blob.digest), diff_id))
        except BaseExceptionGroup as group_of_one:
            raise group_of_one.exceptions[0] from None

    async def _have_layer(self, blob: Path, diff_id: str) -> None:
        async with self._unpacking(diff_id):
            if self.catalog.layer(diff_id) is not None:
                return
            temporary, record = await self.layers.unpack(blob, diff_id)
            was_there = self.layers.path(diff_id).exists()
            try:
                fault_point("images.pull.commit_layer")
                self.catalog.add_layer(record, lambda: self._commit(temporary, diff_id))
            except BaseException:
                if not was_there:  # it may have its name, but no record of it
                    self.delete_later(self.layers.discard([diff_id]))
                await finish(self.layers.drop(temporary))
                raise

    def _commit(self, temporary: Path, diff_id: str) -> None:
        if self.layers.path(diff_id).exists():
            # A container stands on it and its record was lost. It is whole: leave it alone.
            self.layers.commit_recipe(temporary, diff_id)
            self._start(lambda: self.layers.drop(temporary), "delete unused layers")
        else:
            self.layers.commit(temporary, diff_id)

    async def keep(self, content: Content, layout: Layout, image: ImageRecord) -> ImageRecord:
        """Keep the image's blobs and make it visible. Its layers must be unpacked."""
        blobs = [content.manifest_digest, f"sha256:{content.image_id}"]
        if self._keep_blobs:
            # Of a layer that was here before there may be a placeholder only.
            blobs += [b.digest for b in content.layers if layout.has(b.digest, b.size)]
        for digest in dict.fromkeys(blobs):
            layout.blob(digest).replace(self.blobs / digest.removeprefix("sha256:"))
        # Nothing else runs between the blobs and the record: `collect` would take them for strays.
        record = await self.catalog.add(image)
        self._learn(record)
        self._settle_later(self.catalog.unsettled(), delay=SETTLE_DELAY_S)
        return record

    def _learn(self, image: ImageRecord) -> None:
        file = self.blobs / image.manifest_digest.removeprefix("sha256:")
        try:
            layers = manifest.layers_of(file.read_bytes())
        except (OSError, CriShimError) as e:
            _log.warning("image %s: its manifest cannot be used: %s", image.id, e)
            return
        self._unpacked_as |= {
            blob.digest: diff_id for blob, diff_id in zip(layers, image.layers, strict=False)
        }

    def _held_layers(self) -> set[str]:
        """The diff-ids that containers and mounts stand on, whatever became of their images."""
        return self._held_by_containers() | self.mounted.held_layers()

    # -- giving back --------------------------------------------------------------------------

    def collect(self) -> None:
        """Take away layers and blobs that nothing stands on; they are deleted in the background.

        Call it after an image or a container was removed.
        """
        kept = self.catalog.used() | self._held_layers()
        unused = [layer.diff_id for layer in self.catalog.layers() if layer.diff_id not in kept]
        trash = self.layers.discard(unused)
        for diff_id in unused:
            self.catalog.forget_layer(diff_id)
        self._unpacked_as = dict(self.unpacked_blobs())
        named = self._named_blobs()
        for blob in self.blobs.iterdir():
            if blob.name not in named:
                blob.unlink()
        self.delete_later(trash)

    def _named_blobs(self) -> set[str]:
        images = self.catalog.images()
        names = {image.id for image in images}
        names |= {image.manifest_digest.removeprefix("sha256:") for image in images}
        if self._keep_blobs:
            names |= {blob.removeprefix("sha256:") for blob in self._unpacked_as}
        return names

    def delete_later(self, paths: Sequence[Path]) -> None:
        """Delete in the background what nobody looks for any more."""
        if paths:
            self._start(lambda: delete(*paths), "delete unused layers")

    def _settle_later(self, diff_ids: Sequence[str], delay: float) -> None:
        if diff_ids:
            self._start(lambda: self._settle(diff_ids, delay), _SETTLE)

    async def _settle(self, diff_ids: Sequence[str], delay: float) -> None:
        await asyncio.sleep(delay)
        done = await run(["sync", "--file-system", os.fspath(self.layers.directory)])
        if done.returncode == 0:
            self.catalog.settled(diff_ids)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        task = asyncio.create_task(self._logged(work, name), name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _logged(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        try:
            await work()
        except CriShimError as e:
            _log.warning("%s: %s; the next start tries again", name, e)

    async def close(self) -> None:
        """Give deletions CLOSE_GRACE_S, end the rest; what is not done, the next start finds."""
        for task in self._background:
            if task.get_name() == _SETTLE:
                task.cancel()
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=CLOSE_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
