"""A transfer that does not go on for very long is given up.

A registry may stay connected and send nothing, for ever, and a kubelet sets no deadline for a pull.
How long a transfer takes is nobody's business: only a pause in it counts, and the default is long,
since a registry may fetch from another one first.
"""

import asyncio
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from cri_shim.aio.offload import finish, offload
from cri_shim.errors import RegistryUnavailable
from cri_shim.linux.walk import Walk

PATIENCE_S = 300.0  # as containerd has it
LOOKS = 10  # while one runs out of patience

T = TypeVar("T")


async def unless_stalled(
    work: Coroutine[Any, Any, T], directory: Path, patience: float, what: str
) -> T:
    """The result of `work`, which writes below `directory`.

    RegistryUnavailable, `work` having been cancelled, when nothing was written for `patience`
    seconds; 0 is for ever.
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
    """The bytes in all files below."""
    return sum(status.st_size for status in Walk(directory) if stat.S_ISREG(status.st_mode))
