"""An image as an object."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cri_shim.errors import NotFound
from cri_shim.images import diff, history, inspect, mount, remove, save, tag
from cri_shim.images.history import Entry
from cri_shim.library import places
from cri_shim.library.arguments import checked
from cri_shim.library.handle import Handle, moment
from cri_shim.options import StrPath
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store.trees.changes import Change


@checked
class Image(Handle):
    """One image, by its id: the SHA-256 of its config in hex.

    When the image is gone, everything except `remove` and `unmount` raises NotFound. When its
    runtime has stopped, everything raises RuntimeStopped.
    """

    @property
    def _record(self) -> ImageRecord:
        record = self._engine.images.catalog.image(self.id)
        if record is None:
            raise NotFound(f"image {self.id} is no longer on this node")
        return record

    @property
    def tags(self) -> Sequence[str]:
        """Its full names, such as docker.io/library/busybox:latest."""
        return list(self._record.repo_tags)

    @property
    def digests(self) -> Sequence[str]:
        """Its names by digest."""
        return list(self._record.repo_digests)

    @property
    def size(self) -> int:
        """Bytes of manifest, config and layers as they were transferred."""
        return self._record.size

    @property
    def stored_at(self) -> datetime:
        """When it was stored on this node."""
        return moment(self._record.created_at)

    @property
    def layers(self) -> Sequence[str]:
        """The diff-ids of its layers, bottom first."""
        return list(self._record.layers)

    def history(self) -> Sequence[Entry]:
        """Return the steps that made it, newest first, like `docker history`."""
        return history.history(self._engine, self._record.id)

    def inspect(self) -> Mapping[str, Any]:
        """Return its full description, JSON-able, with the keys of `podman image inspect`."""
        return inspect.inspect(self._engine, self._record.id)

    async def tag(self, name: str) -> str:
        """Add a name and return the full name; another image with this name loses it."""
        return await tag.tag(self._engine, self._record.id, name)

    async def untag(self, *names: str) -> None:
        """Remove these names, or all names if none is given; the image stays, under its id."""
        await tag.untag(self._engine, self._record.id, names)

    async def mount(self) -> Path:
        """Mount it for reading and return the path. It may be mounted: mounts are not counted.

        The mount stays after this process; `shutdown` and a reboot end it. While it exists,
        removing the image leaves its layers.
        """
        return await mount.mount(self._engine, self._record.id)

    async def unmount(self, *, lazy: bool = False) -> None:
        """End the mount, if there is one. WrongState while a process uses it, unless `lazy`."""
        await mount.unmount(self._engine, self.id, lazy=lazy)

    async def diff(self, other: "Image | None" = None) -> Sequence[Change]:
        """Return the changes from `other` to this image, or those of its topmost layer."""
        return await diff.diff(self._engine, self._record.id, other._record.id if other else "")

    async def save(self, target: StrPath, *names: str) -> str:
        """Write it to a new docker-archive, or to docker-archive:, oci-archive:, oci: or dir: and a
        path.

        It is saved with these names, or all of its own. Returns its id there, which differs if a
        layer cannot be made again identically. AlreadyExists if there is a file; ToolFailed.
        """
        place = places.absolute(target, "docker-archive:")
        return await save.save(self._engine, self._record.id, place, names)

    async def remove(self) -> None:
        """Remove it with all its names. Containers and mounts keep its layers, not the image."""
        await remove.remove(self._engine, self.id)
