"""Work of minutes in a thread of its own, which ends soon after a cancellation.

The few threads of `offload` are for short work.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from cri_shim.aio.offload import finish

T = TypeVar("T")


async def in_own_thread(name: str, work: Callable[[Callable[[], bool]], T]) -> T:
    """Return the result of `work`, which gets a function that says whether it was cancelled.

    A cancellation waits until the work has ended; an error of the work is dropped then.
    """
    stopped = threading.Event()
    thread = ThreadPoolExecutor(1, thread_name_prefix=name)
    working = asyncio.get_running_loop().run_in_executor(thread, work, stopped.is_set)
    thread.shutdown(wait=False)  # the thread ends after the work
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stopped.set()
        with suppress(Exception):
            await finish(working)
        raise
