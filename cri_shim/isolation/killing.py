"""Every process of a container ended, however fast it forks."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import ExitStack

from cri_shim.aio.offload import offload
from cri_shim.errors import TimedOut
from cri_shim.linux.process_handle import Process

_MOST_WATCHED = 256  # processes whose end a round waits for; the others are seen in the next one
_ROUND_S = 0.05  # a round of killing; whoever forked meanwhile is found in the next one


async def kill_all(
    group: str, pids: Callable[[], set[int]], thaw: Callable[[], None], limit_s: float
) -> None:
    """Kill all that `pids` finds in the cgroup `group`, and return when nothing is found any more.

    `thaw` lets killed processes that are frozen die. Raises TimedOut naming the processes that did
    not die within `limit_s` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while left := await offload(pids):
        if loop.time() > deadline:
            named = ", ".join(map(str, sorted(left)))
            raise TimedOut(
                f"processes {named} in cgroup {group} did not die within {limit_s:g} s of "
                "SIGKILL; they are stuck in the kernel"
            )
        with ExitStack() as held:
            killed = await offload(_kill, left, pids, thaw, held)
            # Waited for here, not in a thread: one that hangs in the kernel would keep it.
            await asyncio.gather(*(process.ended(_ROUND_S) for process in killed[:_MOST_WATCHED]))


def _kill(
    found: set[int], pids: Callable[[], set[int]], thaw: Callable[[], None], held: ExitStack
) -> list[Process]:
    """Kill those that are in the group still; `held` closes the descriptors of all."""
    opened = {pid: held.enter_context(Process.at(pid)) for pid in found}
    # A pid that is still listed now, after its descriptor was opened, is not reused.
    targets = [opened[pid] for pid in pids() & opened.keys()]
    for process in targets:
        process.send(signal.SIGKILL)
    thaw()
    return targets
