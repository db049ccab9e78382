"""Being sure that a file system answers, before a thread of ours looks at it.

A thread that hangs in the kernel keeps the daemon from ending. What is on a disk of this machine is
looked at as it is; of all else, a process of its own asks first. A server that dies between the two
still takes the thread: who can, makes the call itself with own_process.
"""

from cri_shim.aio import own_process
from cri_shim.linux import sources


async def sure(path: str) -> None:
    """Return when the file system of `path` has answered; Unavailable names `path` if it does not.

    What is not there is looked for further up.
    """
    (on_disk,) = own_process.cached(sources.on_disk, [(path,)])
    if on_disk is not True:
        await own_process.each(sources.answers, [(path,)])
