"""Exports the whole root file system of a container as a tar, without its mounts.

The export of a running container is only as consistent as any copy of files in use.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cri_shim.aio.offload import finish
from cri_shim.aio.own_thread import in_own_thread
from cri_shim.containers import rootfs
from cri_shim.engine import Engine
from cri_shim.errors import ToolFailed, WrongState
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns
from cri_shim.store import python_child
from cri_shim.untrusted import printable

_CHUNK = 1 << 20  # bytes


async def export(engine: Engine, container_id: str, to: Path | BinaryIO) -> None:
    """Write the tar to a file, or to an object with `write`; the file exists only after success.

    `to.write` is called in a thread. Owners are the container's own ids. Hard links and extended
    attributes are kept. WrongState if a reboot or a removal took the file system; ToolFailed if a
    file cannot be read or written.
    """
    container = engine.objects.container(container_id)
    pod = engine.objects.pod(container.pod_id)
    await _mounted(engine, pod, container)
    ids = userns.of_pod(pod.config)
    if not isinstance(to, Path):
        await _write(engine, container.id, ids, to)
        _still_there(engine, container.id)
        return
    draft = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb", opener=partial(os.open, mode=0o600)) as file:
            await _write(engine, container.id, ids, file)
        _still_there(engine, container.id)
        draft.rename(to)
    except OSError as e:
        raise ToolFailed(f"cannot export container {container.id} to {to}: {e}") from e
    finally:
        draft.unlink(missing_ok=True)


async def _mounted(engine: Engine, pod: state.PodRecord, container: state.ContainerRecord) -> None:
    async with engine.objects.lock(container.id):
        container = engine.objects.container(container.id)
        if not engine.paths.bundle(container.id).is_dir():
            raise WrongState(
                f"container {container.id}: what it wrote was lost when the node was restarted"
            )
        if container.phase in (state.CONTAINER_CREATING, state.CONTAINER_REMOVING):
            raise WrongState(f"container {container.id} is being made or removed")
        await rootfs.mount(engine, pod, container)  # a shutdown unmounts stopped containers


def _still_there(engine: Engine, id: str) -> None:
    container = engine.objects.find_container(id)
    if container is None or container.phase == state.CONTAINER_REMOVING:
        raise WrongState(f"container {id} was removed while it was exported")


async def _write(engine: Engine, id: str, ids: userns.IdMap | None, to: BinaryIO) -> None:
    """Let a child make the tar, and a thread hand it to `to`."""
    try:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        with os.fdopen(reading, "rb", 0) as pipe, os.fdopen(writing, "wb", 0) as end:
            copying = asyncio.create_task(in_own_thread("export", partial(_copy, pipe, to)))
            try:
                await _make(engine, id, ids, end.fileno())
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
        raise ToolFailed(f"cannot export container {id}: {e.strerror}{where}") from e


async def _make(engine: Engine, id: str, ids: userns.IdMap | None, to: int) -> None:
    root = engine.paths.rootfs(id)
    await python_child.call(
        "cri_shim.store.pack.child", "whole", str(root), str(to),
        "" if ids is None else ids.to_words(),
        attempt=f"cannot export container {id}", directory=root, pass_fds=[to],
    )  # fmt: skip


def _copy(pipe: BinaryIO, to: BinaryIO, stopped: Callable[[], bool]) -> None:
    with pipe:  # closed after an error: then the child ends, too
        while not stopped() and (data := pipe.read(_CHUNK)):
            to.write(data)
