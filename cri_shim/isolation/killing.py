"""Kills every process of a container, however fast it forks."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import ExitStack

from cri_shim.aio.offload import offload
from cri_shim.errors import TimedOut
from cri_shim.linux.process_handle import Process

_MOST_WATCHED = 256  # processes whose end a round waits for; the next round sees the others
_ROUND_S = 0.05  # a round of killing; the next round finds processes that were forked meanwhile


async def kill_all(
    group: str, pids: Callable[[], set[int]], thaw: Callable[[], None], limit_s: float
) -> None:
    """Kill all `pids` in the cgroup `group`, and return when `pids` finds none any more.

    `thaw` lets killed processes that are frozen end. Raises TimedOut naming the processes that did
    not end within `limit_s` seconds.
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
            # Wait here, not in a thread: a process that hangs in the kernel would block the thread.
            await asyncio.gather(*(process.ended(_ROUND_S) for process in killed[:_MOST_WATCHED]))


def _kill(
    found: set[int], pids: Callable[[], set[int]], thaw: Callable[[], None], held: ExitStack
) -> list[Process]:
    """Kill the processes that are still in the group; `held` closes all descriptors."""
    opened = {pid: held.enter_context(Process.at(pid)) for pid in found}
    # A pid that is listed after its descriptor was opened has not been reused.
    targets = [opened[pid] for pid in pids() & opened.keys()]
    for process in targets:
        process.send(signal.SIGKILL)
    thaw()
    return targets
