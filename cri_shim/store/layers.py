"""The unpacked layers: one directory for each diff-id; it is complete or does not exist.

    ROOT/layers/HEX             the files
    ROOT/recipes/HEX            how to make the layer's tar of them again (unpack/recipe.py)

A layer is unpacked under a temporary name and renamed. It is removed by renaming it to a trash name
and deleting that. Names that begin with a dot belong to running work or to a daemon that died.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cri_shim.aio.offload import finish, offload, opened
from cri_shim.errors import NotFound, ToolFailed
from cri_shim.linux import disk
from cri_shim.linux.disk import Usage
from cri_shim.linux.privacy import make_private
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.spec.userns import IdMap
from cri_shim.store import python_child
from cri_shim.store.deletion import delete

VERSION = 2  # of LayerRecord


class Layers:
    def __init__(self, directory: Path, *, parallel: int = 0, userns: bool = False) -> None:
        """Unpack at most `parallel` layers at once; 0 means one for each CPU that we may use.

        `userns`: the daemon is root of a user namespace only; layers are unpacked with its limits.
        """
        self.directory = directory
        self.recipes = directory.with_name("recipes")
        self._space = ["userns"] if userns else []
        self._slots = asyncio.Semaphore(parallel or len(os.sched_getaffinity(0)))

    def path(self, diff_id: str) -> Path:
        """Return the path of the layer, whether it exists or not."""
        return self.directory / diff_id.removeprefix("sha256:")

    def present(self) -> set[str]:
        """Return the diff-ids of all layer directories."""
        there = (d for d in self.directory.iterdir() if d.name[0] != ".")
        return {f"sha256:{d.name}" for d in there if _is_directory(d)}

    def is_here(self, diff_id: str) -> bool:
        """Return whether the layer's directory exists."""
        return _is_directory(self.path(diff_id))

    @contextmanager
    def opened(self, diff_id: str) -> Iterator[Path]:
        """Yield the directory with the layer's files; it may be used until the end of the block.

        An overlay that was made of it keeps it. NotFound if the layer is missing. Blocks.
        """
        if not self.is_here(diff_id):
            name = self.path(diff_id).name
            raise NotFound(f"layer {name} is not here; pull the image again")
        yield self.path(diff_id)

    def usage(self, diff_id: str) -> Usage:
        """Return the disk usage of the layer and its recipe. Blocks."""
        found = disk.usage(self.path(diff_id))
        try:
            recipe = (self.recipes / self.path(diff_id).name).lstat()
        except FileNotFoundError:
            return found
        return found + Usage(disk.allocated(recipe), 1)

    async def unpack(self, blob: Path, diff_id: str) -> tuple[Path, LayerRecord]:
        """Unpack into a temporary directory, verify the diff-id; the caller commits or drops it."""
        async with self._slots:
            temporary = self._new()
            try:
                record = await self._unpack(blob, temporary, diff_id)
            except BaseException:
                await finish(self.drop(temporary))
                raise
        return temporary, record

    async def _unpack(self, blob: Path, target: Path, diff_id: str) -> LayerRecord:
        result = await python_child.call(
            "cri_shim.store.unpack.child",
            *(str(blob), str(target), str(_recipe_of(target)), *self._space),
            attempt=f"cannot unpack layer {diff_id}", directory=self.directory,
        )  # fmt: skip
        if result["diff_id"] != diff_id:
            raise ToolFailed(
                f"layer {diff_id} unpacks to the diff-id {result['diff_id']}:"
                " config and layers of the image do not belong together"
            )
        return LayerRecord(
            version=VERSION,
            diff_id=diff_id,
            size=result["size"],
            inodes=result["inodes"],
            counted=True,
            tar_size=result["tar_size"],
            implied=[os.fsencode(path) for path in result["implied"]],
            described=True,
        )

    async def diff_id_of(self, blob: Path, most: int) -> str:
        """Return the diff-id of a blob without unpacking it.

        ToolFailed if it is damaged, or has more than `most` uncompressed bytes; 0 means no limit.
        """
        async with self._slots:
            result = await python_child.call(
                "cri_shim.store.unpack.digest", str(blob), str(most),
                attempt=f"cannot read layer blob sha256:{blob.name}", directory=blob.parent,
            )  # fmt: skip
        return str(result["diff_id"])

    async def make(
        self, diff_id: str, write: Callable[[Path], bool]
    ) -> tuple[Path, LayerRecord] | None:
        """Let `write` fill a temporary directory, in a thread; None if it returns False.

        The caller commits or drops the directory, as after `unpack`. Such a layer has no recipe.
        """
        temporary = self._new()
        try:
            if not await offload(write, temporary):
                await self.drop(temporary)
                return None
            taken = await offload(disk.usage, temporary)
        except BaseException:
            await finish(self.drop(temporary))
            raise
        return temporary, LayerRecord(
            version=VERSION,
            diff_id=diff_id,
            size=taken.used_bytes,
            inodes=taken.inodes,
            counted=True,
            described=True,
        )

    def commit(self, temporary: Path, diff_id: str) -> None:
        """Rename a complete layer to its final name."""
        if _recipe_of(temporary).exists():
            self.commit_recipe(temporary, diff_id)
        temporary.rename(self.path(diff_id))

    def commit_recipe(self, temporary: Path, diff_id: str) -> None:
        """Rename only the recipe to its final name; its layer is here already."""
        make_private(self.recipes)
        _recipe_of(temporary).rename(self.recipes / self.path(diff_id).name)

    async def drop(self, temporary: Path) -> None:
        """Delete an unpacked layer that is not needed."""
        await delete(temporary, _recipe_of(temporary))

    async def pack_again(self, diff_id: str, target: Path) -> int:
        """Make the layer's original tar again, and return its size in bytes.

        ToolFailed if that is not possible: an older cri-shim has unpacked the layer, or the layer
        has the same file twice.
        """
        recipe = self.recipes / self.path(diff_id).name
        async with self._slots, opened(self.opened(diff_id)) as directory:
            result = await python_child.call(
                "cri_shim.store.pack.child", "again", str(directory), str(target), str(recipe),
                attempt=f"cannot make layer {diff_id} again", directory=target.parent,
            )  # fmt: skip
        if result["diff_id"] != diff_id:
            raise ToolFailed(f"layer {diff_id} cannot be made again: it has become another")
        return int(result["size"])

    async def pack(
        self, directory: Path, target: Path, ids: IdMap | None, hidden: Iterable[str]
    ) -> tuple[str, int]:
        """Make a layer's tar from an overlay's directory; return its diff-id and its bytes.

        `ids` is the mapping of the owners in this directory; see store/pack for `hidden`.
        """
        ranges = () if ids is None else (ids.users, ids.groups)
        mapping = ",".join(f"{ids.host_id}:{ids.length}" for ids in ranges)
        async with self._slots:
            result = await python_child.call(
                "cri_shim.store.pack.child", "new", str(directory), str(target), mapping,
                *sorted(hidden),
                attempt=f"cannot make a layer of {directory}", directory=target.parent,
            )  # fmt: skip
        return str(result["diff_id"]), int(result["size"])

    def discard(self, diff_ids: Iterable[str]) -> list[Path]:
        """Remove layers at once; return the paths that the caller must delete later."""
        trash: list[Path] = []
        for diff_id in diff_ids:
            layer = self.path(diff_id)
            for path in (self.recipes / layer.name, layer):
                hidden = path.with_name(self._hidden("trash").name)
                try:
                    path.rename(hidden)
                except FileNotFoundError:
                    continue
                trash.append(hidden)
        return trash

    def leftovers(self) -> list[Path]:
        """Return what a daemon that died has left incomplete or partly deleted."""
        recipes = list(self.recipes.iterdir()) if self.recipes.is_dir() else []
        orphans = [recipe for recipe in recipes if not (self.directory / recipe.name).is_dir()]
        here = list(self.directory.iterdir())
        return [d for d in here if d.name[0] == "." or not _is_directory(d)] + orphans

    def _new(self) -> Path:
        """Make a temporary directory for a layer."""
        temporary = self._hidden("new")
        temporary.mkdir(mode=0o755)
        temporary.chmod(0o755)  # independent of our umask
        return temporary

    def _hidden(self, kind: str) -> Path:
        return self.directory / f".{kind}-{secrets.token_hex(8)}"


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _recipe_of(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.recipe")
