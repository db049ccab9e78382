"""Gives up a transfer that makes no progress for very long.

A registry may stay connected forever and send nothing, and the kubelet sets no deadline for a pull.
The duration of a transfer is not limited. Only a pause counts, and the default is long because a
registry may fetch the image from another one first.
"""

import asyncio
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from cri_shim.aio.offload import finish, offload
from cri_shim.errors import RegistryUnavailable
from cri_shim.linux.walk import Walk

PATIENCE_S = 300.0  # as in containerd
LOOKS = 10  # number of checks within the patience

T = TypeVar("T")


async def unless_stalled(
    work: Coroutine[Any, Any, T], directory: Path, patience: float, what: str
) -> T:
    """Return the result of `work`, which writes below `directory`.

    If nothing was written for `patience` seconds, `work` is cancelled and the error is
    RegistryUnavailable; 0 means no limit.
    """
    if not patience:
        return await work
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    before, since = -1, loop.time()
    try:
        while not (await asyncio.wait([task], timeout=patience / LOOKS))[0]:
            now = await offload(_written, directory)
            if now != before:
                before, since = now, loop.time()
            elif loop.time() - since >= patience:
                raise RegistryUnavailable(
                    f"{what}: no byte came for {patience:g} s, and it was given up; pull again, or"
                    " raise image.pull_progress_timeout if the registry needs longer"
                )
        return task.result()
    finally:
        task.cancel()
        await finish(asyncio.wait([task]))


def _written(directory: Path) -> int:
    """Return the number of bytes in all files below."""
    return sum(status.st_size for status in Walk(directory) if stat.S_ISREG(status.st_mode))
