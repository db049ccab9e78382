"""The unpacked layers: one directory a diff-id, there whole or not at all.

A layer is unpacked under a temporary name and renamed; it is removed by renaming it to a trash name
and deleting that. Names that begin with a dot are of work in hand or left by a daemon that died.
"""

import asyncio
import importlib.util
import json
import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

import cri_shim
from cri_shim.aio.child import Finished, run
from cri_shim.aio.offload import finish
from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.store.unpack.failure import NO_SPACE_EXIT

VERSION = 1  # of LayerRecord
_START = (
    "import sys; sys.path[:0] = sys.argv[1:3];"
    " from cri_shim.store.unpack.child import main; main(*sys.argv[3:])"
)


class Layers:
    def __init__(self, directory: Path, *, parallel: int = 0, userns: bool = False) -> None:
        """`parallel` unpackings at once; 0 means one a CPU we may use.

        `userns`: we are root of a user namespace only; layers are unpacked as it can be done there.
        """
        self.directory = directory
        self._space = ["userns"] if userns else []
        self._slots = asyncio.Semaphore(parallel or len(os.sched_getaffinity(0)))

    def path(self, diff_id: str) -> Path:
        """Where the layer is, or will be."""
        return self.directory / diff_id.removeprefix("sha256:")

    def present(self) -> set[str]:
        """The diff-ids of every layer directory."""
        return {f"sha256:{d.name}" for d in self.directory.iterdir() if d.name[0] != "."}

    async def unpack(self, blob: Path, diff_id: str) -> tuple[Path, LayerRecord]:
        """Unpack into a temporary directory, verify the diff-id; the caller commits or drops it."""
        async with self._slots:
            temporary = self._hidden("new")
            temporary.mkdir(mode=0o755)
            temporary.chmod(0o755)  # whatever our umask is
            try:
                record = await self._run(blob, temporary, diff_id)
            except BaseException:
                await finish(delete(temporary))
                raise
        return temporary, record

    async def _run(self, blob: Path, target: Path, diff_id: str) -> LayerRecord:
        program = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _START]
        words = [*_import_roots(), str(blob), str(target), *self._space]
        done = await run([*program, *words])
        if done.returncode:
            raise _failure(done, diff_id, self.directory)
        result = json.loads(done.stdout)
        if result["diff_id"] != diff_id:
            raise ToolFailed(
                f"layer {diff_id} unpacks to the diff-id {result['diff_id']}:"
                " config and layers of the image do not belong together"
            )
        return LayerRecord(
            version=VERSION, diff_id=diff_id, size=result["size"], inodes=result["inodes"]
        )

    def commit(self, temporary: Path, diff_id: str) -> None:
        """Give a whole layer its name."""
        temporary.rename(self.path(diff_id))

    def discard(self, diff_ids: Iterable[str]) -> list[Path]:
        """Take layers away at once; what is returned is to be deleted when there is time."""
        trash: list[Path] = []
        for diff_id in diff_ids:
            hidden = self._hidden("trash")
            try:
                self.path(diff_id).rename(hidden)
            except FileNotFoundError:
                continue
            trash.append(hidden)
        return trash

    def leftovers(self) -> list[Path]:
        """What a daemon that died left half made or half deleted."""
        return [d for d in self.directory.iterdir() if d.name[0] == "."]

    def _hidden(self, kind: str) -> Path:
        return self.directory / f".{kind}-{secrets.token_hex(8)}"


async def delete(*paths: Path) -> None:
    """Delete whole trees, in a child process: a hundred thousand unlinks keep a thread busy."""
    if paths:
        done = await run(["rm", "-rf", "--one-file-system", "--", *map(str, paths)])
        if done.returncode:
            raise ToolFailed(f"cannot delete {paths[0].parent}: {done.complaint()}")


def _import_roots() -> list[str]:
    """Where the child, which runs without site-packages, finds this project and its two codecs."""
    isal = importlib.util.find_spec("isal")
    assert isal is not None and isal.origin is not None
    return [str(Path(cri_shim.__path__[0]).parent), str(Path(isal.origin).parent.parent)]


def _failure(done: Finished, diff_id: str, directory: Path) -> Exception:
    if done.returncode == NO_SPACE_EXIT:
        return Unavailable(
            f"cannot unpack layer {diff_id}: no space left in {directory}; remove images or files"
        )
    return ToolFailed(f"cannot unpack layer {diff_id}: {done.complaint()}")
