"""The unpacked layers: one directory a diff-id, there whole or not at all.

    ROOT/layers/HEX             the files
    ROOT/recipes/HEX            how to make the layer's tar of them again (unpack/recipe.py)

A layer is unpacked under a temporary name and renamed; it is removed by renaming it to a trash name
and deleting that. Names that begin with a dot are of work in hand or left by a daemon that died.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from cri_shim.aio.offload import finish, offload
from cri_shim.errors import ToolFailed
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
        """`parallel` unpackings at once; 0 means one a CPU we may use.

        `userns`: we are root of a user namespace only; layers are unpacked as it can be done there.
        """
        self.directory = directory
        self.recipes = directory.with_name("recipes")
        self._space = ["userns"] if userns else []
        self._slots = asyncio.Semaphore(parallel or len(os.sched_getaffinity(0)))

    def path(self, diff_id: str) -> Path:
        """Where the layer is, or will be."""
        return self.directory / diff_id.removeprefix("sha256:")

    def present(self) -> set[str]:
        """The diff-ids of every layer directory."""
        there = (d for d in self.directory.iterdir() if d.name[0] != ".")
        return {f"sha256:{d.name}" for d in there if _is_directory(d)}

    def is_here(self, diff_id: str) -> bool:
        """Whether the layer's directory is there."""
        return _is_directory(self.path(diff_id))

    def usage(self, diff_id: str) -> Usage:
        """What the layer and its recipe take of the disk. Blocks."""
        found = disk.usage(self.path(diff_id))
        try:
            recipe = (self.recipes / self.path(diff_id).name).lstat()
        except FileNotFoundError:
            return found
        return found + Usage(disk.allocated(recipe), 1)

    async def unpack(self, blob: Path, diff_id: str) -> tuple[Path, LayerRecord]:
        """Unpack into a temporary directory, verify the diff-id; the caller commits or drops it."""
        async with self._slots:
            temporary = self._hidden("new")
            temporary.mkdir(mode=0o755)
            temporary.chmod(0o755)  # whatever our umask is
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
        """The diff-id of a blob, which is not unpacked.

        ToolFailed if it is damaged, or has more than `most` bytes, 0 being any number.
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
        """Have `write` fill a temporary directory, in a thread; None if it returns False.

        The caller commits or drops it, as what `unpack` returns. Such a layer has no recipe.
        """
        temporary = self._hidden("new")
        temporary.mkdir(mode=0o755)
        temporary.chmod(0o755)  # whatever our umask is
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
        """Give a whole layer its name."""
        if _recipe_of(temporary).exists():
            self.commit_recipe(temporary, diff_id)
        temporary.rename(self.path(diff_id))

    def commit_recipe(self, temporary: Path, diff_id: str) -> None:
        """Give the recipe alone its name, of a layer that is here already."""
        make_private(self.recipes)
        _recipe_of(temporary).rename(self.recipes / self.path(diff_id).name)

    async def drop(self, temporary: Path) -> None:
        """Delete what was unpacked and is not wanted."""
        await delete(temporary, _recipe_of(temporary))

    async def pack_again(self, diff_id: str, target: Path) -> int:
        """Make the layer's tar once more, as it was, and return its bytes.

        ToolFailed if that cannot be: of a layer that was unpacked by an older cri-shim, or that has
        the same file twice.
        """
        recipe = self.recipes / self.path(diff_id).name
        async with self._slots:
            result = await python_child.call(
                "cri_shim.store.pack.child", "again", str(self.path(diff_id)), str(target),
                str(recipe),
                attempt=f"cannot make layer {diff_id} again", directory=target.parent,
            )  # fmt: skip
        if result["diff_id"] != diff_id:
            raise ToolFailed(f"layer {diff_id} cannot be made again: it has become another")
        return int(result["size"])

    async def pack(
        self, directory: Path, target: Path, ids: IdMap | None, hidden: Iterable[str]
    ) -> tuple[str, int]:
        """Make a layer's tar of an overlay's directory: its diff-id, and its bytes.

        `ids` are those that its owners are written in; see store/pack for `hidden`.
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
        """Take layers away at once; what is returned is to be deleted when there is time."""
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
        """What a daemon that died left half made or half deleted."""
        recipes = list(self.recipes.iterdir()) if self.recipes.is_dir() else []
        orphans = [recipe for recipe in recipes if not (self.directory / recipe.name).is_dir()]
        here = list(self.directory.iterdir())
        return [d for d in here if d.name[0] == "." or not _is_directory(d)] + orphans

    def _hidden(self, kind: str) -> Path:
        return self.directory / f".{kind}-{secrets.token_hex(8)}"


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _recipe_of(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.recipe")
