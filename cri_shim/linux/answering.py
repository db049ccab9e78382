"""Waits until a file system answers, before a thread of the daemon reads it.

A thread that hangs in the kernel keeps the daemon from ending. A disk of this machine always
answers. For any other file system, a separate process reads it first. A server that dies between
the two reads still blocks the thread. So callers that can use own_process for the whole call do so.
"""

from cri_shim.aio import own_process
from cri_shim.linux import sources


async def ensure(path: str) -> None:
    """Return when the file system of `path` has answered; Unavailable names `path` if it does not.

    If `path` does not exist, the nearest directory above it is used.
    """
    (on_disk,) = own_process.cached(sources.on_disk, [(path,)])
    if on_disk is not True:
        await own_process.each(sources.answers, [(path,)])
