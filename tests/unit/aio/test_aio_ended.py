"""The end of a process by its pidfd."""

import os

from cri_shim.aio.child import spawn
from cri_shim.aio.ended import ended


async def test_the_end_of_a_process_is_seen_and_the_descriptor_stays_open() -> None:
    child = spawn(["sleep", "600"])
    fd = os.pidfd_open(child.pid)
    too_early = await ended(fd, 0.0)
    child.kill()
    in_time = await ended(fd, 5)
    again = await ended(fd, 5)
    await child.wait()
    os.close(fd)
    assert (too_early, in_time, again) == (False, True, True)
