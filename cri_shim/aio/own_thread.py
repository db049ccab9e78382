"""Work of minutes in a thread of its own, which a cancellation ends soon.

Short work is waiting for the few threads of `offload`.
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
    """What `work` returns; it is given a call that says whether nobody waits for it any more.

    A cancellation waits until the work has ended, whatever it raises.
    """
    stopped = threading.Event()
    thread = ThreadPoolExecutor(1, thread_name_prefix=name)
    working = asyncio.get_running_loop().run_in_executor(thread, work, stopped.is_set)
    thread.shutdown(wait=False)  # when that is done
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stopped.set()
        with suppress(Exception):
            await finish(working)
        raise
