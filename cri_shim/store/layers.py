"""The unpacked layers: a file or a directory for each diff-id; it is complete or does not exist.

    ROOT/layers/HEX.erofs       a file system with the files (erofs)
    ROOT/layers/HEX             or a directory with them
    ROOT/recipes/HEX            how to make the layer's tar of them again (unpack/recipe.py)

Which of the two a new layer becomes is chosen at the start; both kinds are used all the same. A
file system is made faster than a directory with many files, is settled by one fsync, and is removed
by one unlink. Layers that it cannot have become directories.

A layer is unpacked under a temporary name and renamed. It is removed by renaming it to a trash name
and deleting that. Names that begin with a dot belong to running work or to a daemon that died.
"""

import asyncio
import logging
import os
import secrets
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import finish, offload, opened
from cri_shim.aio.standby import Standby
from cri_shim.errors import NotFound, ToolFailed
from cri_shim.linux import disk
from cri_shim.linux.disk import Usage
from cri_shim.linux.privacy import make_private
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.spec.userns import IdMap
from cri_shim.store import python_child
from cri_shim.store.deletion import delete
from cri_shim.store.erofs import digest as digests
from cri_shim.store.mounting.layer_mounts import LayerMounts
from cri_shim.store.ready_child import STANDBY_S, ReadyChild

VERSION = 2  # of LayerRecord
_EROFS = ".erofs"
_UNPACK = "cri_shim.store.unpack.child"

_log = logging.getLogger(__name__)


class Layers:
    def __init__(
        self,
        directory: Path,
        mounts: LayerMounts | None = None,
        *,
        parallel: int = 0,
        userns: bool = False,
        standby: float = STANDBY_S,
    ) -> None:
        """Unpack at most `parallel` layers at once; 0: one for each CPU that is available.

        `mounts` are those of EROFS files, by default in a directory beside. `userns`: the daemon is
        root of a user namespace only; layers are unpacked with its limits. `standby`: seconds for
        which a process waits for the next layer that is downloaded; 0: none waits.
        """
        self.directory = directory
        self.mounts = mounts or LayerMounts(directory.with_name("mounted-layers"))
        self.erofs = False  # what new layers become
        self.recipes = directory.with_name("recipes")
        self._space = ["userns"] if userns else []
        self._ready = Standby("a process for the next layer", lambda: ReadyChild(_UNPACK), standby)
        self._slots = asyncio.Semaphore(parallel or len(os.sched_getaffinity(0)))

    def path(self, diff_id: str) -> Path:
        """Return the path of the layer's directory or file; if neither exists, the directory's."""
        file = self._file(diff_id)
        return file if _is_layer(file) else self._directory(diff_id)

    def _directory(self, diff_id: str) -> Path:
        return self.directory / _name(diff_id)

    def _file(self, diff_id: str) -> Path:
        return self.directory / f"{_name(diff_id)}{_EROFS}"

    def _recipe(self, diff_id: str) -> Path:
        return self.recipes / _name(diff_id)

    def present(self) -> set[str]:
        """Return the diff-ids of all layers."""
        there = (d for d in self.directory.iterdir() if d.name[0] != ".")
        return {f"sha256:{d.name.removesuffix(_EROFS)}" for d in there if _is_layer(d)}

    def is_here(self, diff_id: str) -> bool:
        """Return whether the layer exists."""
        return _is_layer(self._file(diff_id)) or _is_layer(self._directory(diff_id))

    @contextmanager
    def opened(self, diff_id: str) -> Iterator[Path]:
        """Yield the directory with the layer's files; it may be used until the end of the block.

        Its name is the hexadecimal part of the diff-id. An overlay that was made of it keeps it.
        NotFound if the layer is missing. Blocks.
        """
        if not self.is_here(diff_id):
            raise NotFound(f"layer {_name(diff_id)} is not here; pull the image again")
        path = self.path(diff_id)
        if path.suffix != _EROFS:
            yield path
            return
        with self.mounts.opened(_name(diff_id), path) as directory:
            yield directory

    def usage(self, diff_id: str) -> Usage:
        """Return the disk usage of the layer and its recipe. Blocks."""
        path = self.path(diff_id)
        if path.suffix == _EROFS:
            found = Usage(disk.allocated(path.lstat()), 1)
        else:
            found = disk.usage(path)
        try:
            recipe = self._recipe(diff_id).lstat()
        except FileNotFoundError:
            return found
        return found + Usage(disk.allocated(recipe), 1)

    async def unpack(self, blob: Path, diff_id: str) -> tuple[Path, LayerRecord]:
        """Unpack under a temporary name, verify the diff-id; the caller commits or drops it."""
        async with self._slots:
            unpacked = await self._unpack_to_file(blob, diff_id) if self.erofs else None
            return unpacked or await self._unpack_to(self.new(), blob, diff_id)

    async def follow(self, blob: Path, diff_id: str, news: int) -> tuple[Path, LayerRecord] | None:
        """Unpack a blob while it is downloaded; see unpack/growing for the descriptor `news`.

        No slot is taken: the process mostly waits, for a registry that may be stuck. None if the
        layer is better unpacked when its blob is whole.
        """
        if self.erofs:
            return await self._unpack_to_file(blob, diff_id, news)
        return await self._unpack_to(self.new(), blob, diff_id, news)

    async def _unpack_to_file(
        self, blob: Path, diff_id: str, news: int | None = None
    ) -> tuple[Path, LayerRecord] | None:
        """Return None if the layer cannot be a file."""
        temporary = self._hidden("new").with_suffix(_EROFS)
        try:
            return await self._unpack_to(temporary, blob, diff_id, news)
        except _Unsuited as e:
            _log.info("layer %s becomes a directory: %s", diff_id, e)
            return None

    async def _unpack_to(
        self, temporary: Path, blob: Path, diff_id: str, news: int | None = None
    ) -> tuple[Path, LayerRecord]:
        try:
            return temporary, await self._unpack(blob, temporary, diff_id, news)
        except BaseException:
            await finish(self.drop(temporary))
            raise

    async def _unpack(
        self, blob: Path, target: Path, diff_id: str, news: int | None
    ) -> LayerRecord:
        words = ["erofs"] if target.suffix == _EROFS else list(self._space)
        words += [] if news is None else ["growing"]
        arguments = str(blob), str(target), str(_recipe_of(target)), *words
        attempt = f"cannot unpack layer {diff_id}"
        result = await self._run(arguments, attempt, news)
        if "unsuited" in result:
            raise _Unsuited(result["unsuited"])
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
            erofs_digest=result.get("digest", ""),
            recipe_digest=result.get("recipe_digest", ""),
        )

    async def unpack_archive(self, blob: Path, target: Path, name: str) -> str:
        """Unpack an archive that is no layer to the directory `target`; return its diff-id.

        Names in it may begin with the path `name`, as ORAS writes them.
        """
        async with self._slots:
            result = await python_child.call(
                "cri_shim.store.unpack.archive_child", str(blob), str(target), name, *self._space,
                attempt=f"cannot unpack {name!r}, the archive sha256:{blob.name}",
                directory=self.directory,
            )  # fmt: skip
        return str(result["diff_id"])

    async def _run(
        self, arguments: Sequence[str], attempt: str, news: int | None
    ) -> dict[str, Any]:
        """Unpack in the process that waits for a layer, if one does."""
        feed = subprocess.DEVNULL if news is None else news
        ready = self._ready.take() if news is not None else None
        if ready is not None:
            call = ready.call(*arguments, attempt=attempt, directory=self.directory, feed=feed)
        else:
            call = python_child.call(
                _UNPACK, *arguments, attempt=attempt, directory=self.directory, feed=feed
            )
        result = await call
        if news is not None:
            self._ready.have()
        return result

    async def close(self) -> None:
        """End the process that waits for a layer."""
        await self._ready.close()

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
        temporary = self.new()
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
        self.commit_recipe(temporary, diff_id)
        is_file = temporary.suffix == _EROFS
        temporary.rename(self._file(diff_id) if is_file else self._directory(diff_id))

    def commit_recipe(self, temporary: Path, diff_id: str) -> None:
        """Rename only the recipe, if there is one, to its final name; its layer is here already."""
        if _recipe_of(temporary).exists():
            make_private(self.recipes)
            _recipe_of(temporary).rename(self._recipe(diff_id))

    async def drop(self, temporary: Path) -> None:
        """Delete an unpacked layer that is not needed."""
        await delete(temporary, _recipe_of(temporary))

    async def pack_again(self, diff_id: str, target: Path) -> int:
        """Make the layer's original tar again, and return its size in bytes.

        ToolFailed if that is not possible: an older cri-shim has unpacked the layer, or the layer
        has the same file twice.
        """
        recipe = self._recipe(diff_id)
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
        async with self._slots:
            result = await python_child.call(
                "cri_shim.store.pack.child", "new", str(directory), str(target),
                "" if ids is None else ids.to_words(),
                *sorted(hidden),
                attempt=f"cannot make a layer of {directory}", directory=target.parent,
            )  # fmt: skip
        return str(result["diff_id"]), int(result["size"])

    def discard(self, diff_ids: Iterable[str]) -> list[Path]:
        """Remove layers at once; return the paths that the caller must delete later."""
        trash: list[Path] = []
        for diff_id in diff_ids:
            for path in (self._recipe(diff_id), self._directory(diff_id), self._file(diff_id)):
                hidden = path.with_name(self._hidden("trash").name)
                try:
                    path.rename(hidden)
                except FileNotFoundError:
                    continue
                trash.append(hidden)
            self.mounts.drop(_name(diff_id))
        return trash

    def settling(self, diff_ids: Iterable[str]) -> list[Path] | None:
        """Return what must reach the disk for these layers; None if it is the whole file system."""
        files = [self._file(diff_id) for diff_id in diff_ids if self.is_here(diff_id)]
        if not all(map(_is_layer, files)):
            return None
        recipes = [r for file in files if (r := self.recipes / file.stem).exists()]
        return [*files, *recipes, self.directory, self.recipes] if files else []

    def is_intact(self, layer: LayerRecord) -> bool:
        """Return whether the files of an EROFS layer are still as they were unpacked. Blocks."""
        try:
            return bool(layer.erofs_digest) and (
                digests.digest(self._file(layer.diff_id)) == layer.erofs_digest
                and digests.plain_digest(self._recipe(layer.diff_id)) == layer.recipe_digest
            )
        except OSError as e:
            _log.warning("layer %s cannot be checked: %s", layer.diff_id, e)
            return False

    def leftovers(self) -> list[Path]:
        """Return what a daemon that died has left incomplete or partly deleted."""
        recipes = list(self.recipes.iterdir()) if self.recipes.is_dir() else []
        orphans = [recipe for recipe in recipes if not self.is_here(recipe.name)]
        here = list(self.directory.iterdir())
        return [d for d in here if d.name[0] == "." or not _is_layer(d)] + orphans

    def new(self) -> Path:
        """Make a temporary directory for a layer, which the caller commits or drops."""
        temporary = self._hidden("new")
        temporary.mkdir(mode=0o755)
        temporary.chmod(0o755)  # independent of the umask
        return temporary

    def _hidden(self, kind: str) -> Path:
        return self.directory / f".{kind}-{secrets.token_hex(8)}"


class _Unsuited(Exception):
    """EROFS does not have what the layer needs."""


def _name(diff_id: str) -> str:
    return diff_id.removeprefix("sha256:")


def _is_layer(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISREG(mode) if path.suffix == _EROFS else stat.S_ISDIR(mode)


def _recipe_of(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.recipe")
