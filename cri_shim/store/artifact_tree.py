"""The files of an artifact as a layer of their own, which image volumes and mounts show.

Each file is another name of its kept blob: no byte is copied, and the layer is there as soon as the
blobs are. An archive that the artifact wants to be unpacked is unpacked below its name by a child
process that cannot leave that directory.
"""

import stat
from collections.abc import Iterable
from pathlib import Path

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import finish, offload
from cri_shim.errors import ToolFailed
from cri_shim.faults import fault_point
from cri_shim.linux.disk import Usage, allocated
from cri_shim.linux.walk import Walk
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.store.additions import Additions
from cri_shim.store.artifact import Artifact, File
from cri_shim.store.blobs import Blobs
from cri_shim.store.catalog import Catalog
from cri_shim.store.layers import VERSION, Layers

_FILE_MODE, _DIRECTORY_MODE = 0o644, 0o755


class ArtifactTrees:
    def __init__(
        self, layers: Layers, catalog: Catalog, additions: Additions, blobs: Blobs
    ) -> None:
        self._layers = layers
        self._catalog = catalog
        self._additions = additions
        self._blobs = blobs
        self._busy = KeyedLock()  # key: the id of the tree

    async def have(self, artifact: Artifact) -> None:
        """Make the layer of the artifact, unless it is here; the caller holds it and its blobs.

        The blobs are here. ToolFailed if an archive cannot be unpacked.
        """
        async with self._busy(artifact.tree):
            here = self._layers.is_here(artifact.tree)
            if here and self._catalog.layer(artifact.tree) is not None:
                return
            temporary = await offload(self._layers.new)
            try:
                fault_point("images.artifact.tree")
                for file in artifact.files:
                    if file.unpack:
                        await self._unpack(file, temporary)
                taken = await offload(self._link, artifact.files, temporary)
            except BaseException:
                await finish(self._layers.drop(temporary))
                raise
            await self._additions.add(temporary, _record(artifact, taken))

    async def _unpack(self, file: File, tree: Path) -> None:
        target = tree / file.name
        await offload(_directory, target, tree)
        digest = await self._layers.unpack_archive(
            self._blobs.path(file.blob.digest), target, file.name
        )
        if file.tar_digest and file.tar_digest != digest:
            raise ToolFailed(
                f"the archive {file.name!r} of the artifact unpacks to {digest}, not to the"
                f" {file.tar_digest} that its annotation says"
            )

    def _link(self, files: Iterable[File], tree: Path) -> Usage:
        """Give the blobs their names; return what the tree takes besides them. Blocks."""
        linked = set()
        for file in files:
            if not file.unpack:
                blob, target = self._blobs.path(file.blob.digest), tree / file.name
                _directory(target.parent, tree)
                blob.chmod(_FILE_MODE)
                target.hardlink_to(blob)
                linked.add(target.stat().st_ino)
        own = [s for s in Walk(tree) if stat.S_ISDIR(s.st_mode) or s.st_ino not in linked]
        return Usage(sum(map(allocated, own)), len(own))


def _directory(path: Path, tree: Path) -> None:
    """Make a directory and those above it up to `tree`, whatever the umask is."""
    if path == tree or path.is_dir():
        return
    _directory(path.parent, tree)
    path.mkdir(mode=_DIRECTORY_MODE)
    path.chmod(_DIRECTORY_MODE)


def _record(artifact: Artifact, taken: Usage) -> LayerRecord:
    return LayerRecord(
        version=VERSION,
        diff_id=artifact.tree,
        size=taken.used_bytes,
        inodes=taken.inodes,
        counted=True,
        described=True,
        kept_blobs=[*artifact.described, *(blob.digest for blob in artifact.layers)],
    )
