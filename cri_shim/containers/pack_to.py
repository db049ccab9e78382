"""Packs the root file system of a container, or a part of it, as a tar for a file of the caller."""

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO

from cri_shim.aio.offload import finish
from cri_shim.aio.own_thread import in_own_thread
from cri_shim.engine import Engine
from cri_shim.errors import ToolFailed
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns
from cri_shim.store import python_child
from cri_shim.untrusted import printable

_CHUNK = 1 << 20  # bytes


async def pack_to(
    engine: Engine,
    container: state.ContainerRecord,
    attempt: str,
    how: Sequence[str],
    to: BinaryIO,
) -> None:
    """Let a child make the tar, and a thread hand it to `to`.

    `how` is a way of store/pack/child.py and its further words. ToolFailed begins with `attempt`.
    """
    try:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        with os.fdopen(reading, "rb", 0) as pipe, os.fdopen(writing, "wb", 0) as end:
            copying = asyncio.create_task(in_own_thread("export", partial(_copy, pipe, to)))
            try:
                await _make(engine, container, attempt, how, end.fileno())
            except ToolFailed:
                end.close()
                await copying  # if it failed, it is the reason
                raise
            except BaseException:
                end.close()
                copying.cancel()
                await finish(asyncio.wait([copying]))
                raise
            end.close()
            await copying
    except OSError as e:
        where = f": {printable(e.filename)}" if e.filename else ""
        raise ToolFailed(f"{attempt}: {e.strerror}{where}") from e


async def _make(
    engine: Engine,
    container: state.ContainerRecord,
    attempt: str,
    how: Sequence[str],
    to: int,
) -> None:
    ids = userns.of_pod(engine.objects.pod(container.pod_id).config)
    root = engine.paths.rootfs(container.id)
    way, *words = how
    await python_child.call(
        "cri_shim.store.pack.child", way, str(root), str(to),
        "" if ids is None else ids.to_words(), *words,
        attempt=attempt, directory=root, pass_fds=[to],
    )  # fmt: skip


def _copy(pipe: BinaryIO, to: BinaryIO, stopped: Callable[[], bool]) -> None:
    with pipe:  # closed after an error: then the child ends, too
        while not stopped() and (data := pipe.read(_CHUNK)):
            to.write(data)
