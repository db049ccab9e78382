"""Ending a command with all it started.

Who belongs to it: its descendants, and whoever is in a session that one of them is or was in. A
process that left both (a daemon by its own wish) belongs to the container, not to the command.
"""

import asyncio
import os
import signal
from contextlib import ExitStack
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.linux import process
from cri_shim.linux.process import Stat
from cri_shim.linux.process_handle import KILL_S, Process

_ROUND_S = 0.5


def table() -> dict[int, Stat]:
    """Every process now; one that ends meanwhile may be missing. Blocks, 20 us a process."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {pid: found for pid in pids if (found := process.stat(pid)) is not None}


def family(processes: dict[int, Stat], root: int, sessions: set[int]) -> list[Stat]:
    """Who of the living descends from `root` or is in one of `sessions`; `root` is left out.

    `sessions` grows by those of the descendants, so that the next round finds orphans too.
    """
    children: dict[int, list[Stat]] = {}
    for entry in processes.values():
        children.setdefault(entry.parent, []).append(entry)
    found: dict[int, Stat] = {}
    pending = [root] if root else []
    while pending:
        for entry in children.get(pending.pop(), ()):
            if entry.pid not in found:
                found[entry.pid] = entry
                pending.append(entry.pid)
    sessions |= {entry.session for entry in found.values()}
    sessions -= {0, os.getsid(0)}  # never ours, whatever is found
    for entry in processes.values():
        if entry.session in sessions:
            found[entry.pid] = entry
    found.pop(root, None)
    return [entry for entry in found.values() if not entry.over]


async def end(root: int, sessions: set[int]) -> bool:
    """SIGKILL all that descends from `root` or is in `sessions`, until nothing of it lives.

    `root` itself is left, to reap its children; it must be a child of ours that is not reaped, so
    that its pid is its own, or 0. False if something still lives after KILL_S.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + KILL_S
    while loop.time() < deadline:
        living = family(await offload(table), root, sessions)
        if not living:
            return True
        await _kill(living)
    return False


async def end_with(root: int, start: int, sessions: set[int]) -> bool:
    """SIGKILL the process `root` (by pid and start time) too, then all as `end` does."""
    processes = await offload(table)
    found = processes.get(root)
    if found is not None and found.start_time == start:
        await _kill([found, *family(processes, root, sessions)])
    return await end(0, sessions)


async def _kill(living: list[Stat]) -> None:
    with ExitStack() as closing:
        held = [closing.enter_context(Process.of(entry)) for entry in living]
        for each in held:
            each.send(signal.SIGKILL)
        for each in held:
            await each.ended(_ROUND_S)
