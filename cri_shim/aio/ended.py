"""Waiting for the end of a process that is not our child, by its pidfd."""

import asyncio


async def ended(pidfd: int, timeout: float) -> bool:
    """Whether the process has ended within `timeout` seconds (a zombie has). Leaves the fd open."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.add_reader(pidfd, lambda: over.done() or over.set_result(None))
    try:
        await asyncio.wait([over], timeout=timeout)
    finally:
        loop.remove_reader(pidfd)
    return over.done()
