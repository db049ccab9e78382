"""Layers that are made from others, for a root file system: they have no blob."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import offload
from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store.additions import Additions
from cri_shim.store.catalog import Catalog
from cri_shim.store.layers import Layers
from cri_shim.store.trees import implied, redirected


class Derived:
    def __init__(
        self,
        layers: Layers,
        catalog: Catalog,
        additions: Additions,
        lowers: Callable[[Sequence[str]], AbstractContextManager[Sequence[Path]]],
    ) -> None:
        """`lowers` opens layers and yields their directories, topmost first."""
        self._layers = layers
        self._catalog = catalog
        self._additions = additions
        self._lowers = lowers
        self._busy = KeyedLock()  # key: diff-id

    @asynccontextmanager
    async def complete(self, image: ImageRecord) -> AsyncIterator[None]:
        """Make what the image needs besides its own layers, and note it in the record.

        It is kept during the block. The own layers are here, and the caller holds them.
        """
        diff_ids = list(image.layers)
        with self._catalog.hold(redirected.ids_of(diff_ids)):
            stack = await self._have_redirected(diff_ids)
            image.redirected[:] = stack if stack != diff_ids else []
            id = _directories_id(stack)
            with self._catalog.hold([id]):
                fault_point("images.pull.directories")
                image.directories = id if await self._have_directories(stack, id) else ""
                yield

    async def _have_directories(self, diff_ids: Sequence[str], id: str) -> bool:
        """Make the layer `id` of directories that the layers only imply; False if none is needed.

        The caller holds it and the layers. The layers are here.
        """
        if len(diff_ids) < 2:  # nothing is below that could describe them
            return False
        async with self._busy(id):
            if self._layers.is_here(id) and self._catalog.layer(id) is not None:
                return True

            def write(target: Path) -> bool:
                with self._lowers(diff_ids) as paths:
                    records = [self._catalog.layer(f"sha256:{path.name}") for path in paths]
                    unsaid = [list(known.implied) if known is not None else [] for known in records]
                    return implied.write(target, paths, unsaid)

            made = await self._layers.make(id, write)
            if made is None:
                return False
            await self._additions.add(*made)
            return True

    async def _have_redirected(self, diff_ids: Sequence[str]) -> list[str]:
        """Return the layers of a root file system of these; see redirected.py.

        The caller holds them, and the ids of their possible other forms. The layers are here.
        """
        stack: list[str] = []
        for diff_id, id in zip(diff_ids, redirected.ids_of(diff_ids), strict=True):
            stack.append(id if await self._redirect(diff_id, stack, id) else diff_id)
        return stack

    async def _redirect(self, diff_id: str, below: Sequence[str], id: str) -> bool:
        known = self._catalog.layer(diff_id)
        if not below or known is None or not known.implied:
            return False
        async with self._busy(id):
            if self._layers.is_here(id) and self._catalog.layer(id) is not None:
                return True
            implied_here: list[bytes] = []

            def write(target: Path) -> bool:
                with self._lowers(below) as lowers, self._layers.opened(diff_id) as own:
                    found = redirected.write(target, own, lowers, known.implied)
                implied_here.extend(found or ())
                return found is not None

            made = await self._layers.make(id, write)
            if made is None:
                return False
            temporary, record = made
            if self._layers.path(diff_id).is_dir():  # its files are links
                taken = await offload(redirected.usage, temporary)
                record.size, record.inodes = taken.used_bytes, taken.inodes
            record.implied.extend(implied_here)
            await self._additions.add(temporary, record)
            return True


def _directories_id(diff_ids: Sequence[str]) -> str:
    """Return the id of the layer of directories that these layers, bottom first, only imply."""
    chain = " ".join(["directories", *diff_ids])
    return "sha256:" + hashlib.sha256(chain.encode()).hexdigest()
