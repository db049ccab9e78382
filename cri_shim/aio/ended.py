"""Waiting for the end of a process that is not our child, by its pidfd."""

import asyncio


async def ended(pidfd: int, timeout: float) -> bool:
    """Whether the process has ended within `timeout` seconds (a zombie has). Leaves the fd open."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(pidfd, over.set)
    try:
        async with asyncio.timeout(timeout):
            await over.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(pidfd)
    return True
