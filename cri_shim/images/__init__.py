"""What can be done with images, each a use case in its own file.

- `pull`, `load`, `query`, `remove`: what the CRI and the command line need; `archives`: what images
  a file to load has
- `tag`, `history`, `inspect`, `diff`, `save`, `prune`: what a library's user does beside that
- `commit`: an image with one layer more, for containers/commit.py

A pull belongs to whoever waits for it. Equal requests (name and credential) share one, and when the
last caller has gone it is cancelled and cleaned up: nothing of it is visible, nothing stays.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cri_shim.aio.singleflight import SingleFlight
from cri_shim.images import diff, history, inspect, load, prune, pull, query, remove, save, tag
from cri_shim.images.load import Loaded
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import ImageRecord, LayerRecord
from cri_shim.state import records
from cri_shim.state.store import Store
from cri_shim.store.changes import Change
from cri_shim.store.image_store import ImageStore
from cri_shim.store.rootfs import Rootfs


@dataclass(frozen=True, slots=True)
class PullKey:
    """What makes two pulls the same. Task names show it, so it shows no secret."""

    name: str
    auth: bytes = field(repr=False)


class Images:
    def __init__(self, store: ImageStore, state: Store) -> None:
        """`state` is where `store` keeps its records."""
        self.store = store
        self._state = state
        self._pulls: SingleFlight[PullKey, ImageRecord] = SingleFlight("pull", needs_waiters=True)

    @property
    def rootfs(self) -> Rootfs:
        return self.store.rootfs

    async def recover(self) -> None:
        """Load the records and clean up what a daemon that died left; StateError on newer ones."""
        await self.store.recover(
            records.load(self._state, "image", ImageRecord),
            records.load(self._state, "layer", LayerRecord),
        )

    async def pull(self, name: str, auth: api.AuthConfig | None = None) -> str:
        """Bring an image here, or up to date; its id. See images/pull.py for the errors."""
        key = PullKey(name, auth.SerializeToString(deterministic=True) if auth else b"")
        image = await self._pulls.do(key, lambda: pull.pull(self.store, name, auth))
        return image.id

    async def load(self, source: str, name: str = "") -> Sequence[Loaded]:
        """Bring images from a local archive or directory; see images/load.py."""
        return await load.load(self.store, source, name)

    def resolve(self, reference: str) -> ImageRecord | None:
        """The image of an id, tag, digest or short name, without asking any registry."""
        return query.resolve(self.store, reference)

    def list(self, filter: api.ImageFilter | None = None) -> Sequence[api.Image]:
        """ListImages."""
        return list(self.each(filter))

    def each(self, filter: api.ImageFilter | None = None) -> Iterator[api.Image]:
        """The same, one after the other."""
        return query.list_images(self.store, filter)

    def status(
        self, reference: str, verbose: bool = False
    ) -> tuple[api.Image | None, Mapping[str, str]]:
        """ImageStatus: None for an image that is not here; the info map only if `verbose`."""
        return query.status(self.store, reference, verbose)

    async def remove(self, reference: str) -> None:
        """RemoveImage: with all its names; one that is not here is fine."""
        await remove.remove(self.store, reference)

    # -- what the CRI has no call for; NotFound for an image that is not here ------------------

    def find(self, reference: str) -> ImageRecord:
        """The image that any reference of it names."""
        return tag.find(self.store, reference)

    def history(self, reference: str) -> Sequence[history.Entry]:
        """The steps that made it, newest first."""
        return history.history(self.store, self.find(reference))

    def inspect(self, reference: str) -> Mapping[str, Any]:
        """All there is to tell, JSON-able."""
        return inspect.inspect(self.store, self.find(reference))

    async def tag(self, reference: str, name: str) -> str:
        """Give it a name; see images/tag.py, as for the next one."""
        return await tag.tag(self.store, reference, name)

    async def untag(self, reference: str, names: Sequence[str] = ()) -> None:
        """Take names from it, or all of them."""
        await tag.untag(self.store, reference, names)

    async def mount(self, reference: str) -> Path:
        """Mount it for reading, and return where; see store/mounted.py. Mounted already is fine."""
        image = self.find(reference)
        return await self.store.mounted.mount(image.id, list(image.layers))

    async def unmount(self, image_id: str, *, lazy: bool = False) -> None:
        """End its mount, also when the image is gone; not mounted is fine."""
        await self.store.mounted.unmount(image_id, lazy=lazy)
        self.store.collect()

    async def diff(self, reference: str, other: str = "") -> Sequence[Change]:
        """What it changes in `other`, or in the layers below its topmost one."""
        image = self.find(reference)
        return await diff.diff(self.store, image, self.find(other) if other else None)

    async def save(self, reference: str, target: str, names: Sequence[str] = ()) -> str:
        """Write it to an archive or directory; the id it has there. See images/save.py."""
        return await save.save(self.store, self.find(reference), target, names)

    async def prune(self, in_use: Callable[[], set[str]], *, all: bool = False) -> Sequence[str]:
        """Remove images without a tag, or `all`, that are neither in `in_use` nor mounted."""
        return await prune.prune(self.store, in_use, all=all)

    async def fs_info(self) -> api.ImageFsInfoResponse:
        """ImageFsInfo."""
        return await query.fs_info(self.store)

    def collect(self) -> None:
        """Take away layers nobody needs; call it after a container was removed."""
        self.store.collect()

    async def close(self, grace: float = 0.0) -> None:
        """Give pulls `grace` seconds, cancel the rest with their clean-up, end background work."""
        await self._pulls.drain(grace)
        await self.store.close()
