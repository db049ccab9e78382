"""The log of a container, by entries."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

from cri_shim import lifecycle
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.oci import log_directory
from cri_shim.oci.log_directory import LogFile
from cri_shim.oci.log_file import LogQuery, read
from cri_shim.pb import state_pb2 as state
from cri_shim.wire.cri_log import LogEntry

MOST_FILES = 1000  # of a log directory, which others may write to


def file_of(engine: Engine, container: state.ContainerRecord) -> LogFile | None:
    """Return the container's log file; None if it has no log."""
    if not container.log_path:
        return None
    pod = engine.objects.pod(container.pod_id)
    return LogFile(Path(pod.config.log_directory), Path(container.config.log_path))


async def logs(
    engine: Engine, container_id: str, query: LogQuery, *, follow: bool = False
) -> AsyncGenerator[LogEntry, None]:
    """Yield the entries of the container's log; with `follow`, until the container has ended.

    WrongState if it has no log: it was created without `log_path`, or its pod without a directory.
    """
    container = engine.objects.container(container_id)
    if not container.log_path:
        raise WrongState(
            f"container {container.id} has no log file: its pod needs a log_directory and it a"
            " log_path when they are created"
        )
    ended = None
    if follow:
        ended = asyncio.ensure_future(_ended(engine, container.id))
    try:
        async with aclosing(read(Path(container.log_path), query, ended)) as entries:
            async for entry in entries:
                yield entry
    finally:
        if ended is not None:
            ended.cancel()


async def size(engine: Engine, container: state.ContainerRecord) -> int:
    """Return the bytes of the log, and of the rotated logs beside it. OSError, Unavailable."""
    log = file_of(engine, container)
    return 0 if log is None else await log_directory.look(log, _size, log.path)


def _size(path: Path) -> int:
    found = 0
    with os.scandir(path.parent) as entries:
        for entry in islice(entries, MOST_FILES):
            if entry.name.startswith(path.name):
                found += entry.stat(follow_symlinks=False).st_size
    return found


async def _ended(engine: Engine, id: str) -> None:
    def has_ended() -> bool:
        container = engine.objects.find_container(id)
        if container is None:
            return True
        return lifecycle.is_over(container)

    await engine.objects.until(id, has_ended)
