"""Ends a command with all processes that it started.

These are its descendants, and all processes in a session that one of them is or was in. A process
that left both (a daemon) belongs to the container, not to the command.
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
    """Return every process; one that ends meanwhile may be missing. Blocks, 20 us a process."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {pid: found for pid in pids if (found := process.stat(pid)) is not None}


def family(processes: dict[int, Stat], root: int, sessions: set[int]) -> list[Stat]:
    """Return the living processes that descend from `root` or are in one of `sessions`, not `root`.

    The sessions of the descendants are added to `sessions`, so that the next round finds orphans.
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
    sessions -= {0, os.getsid(0)}  # never the daemon's own
    for entry in processes.values():
        if entry.session in sessions:
            found[entry.pid] = entry
    found.pop(root, None)
    return [entry for entry in found.values() if not entry.has_ended]


async def end(root: int, sessions: set[int]) -> bool:
    """SIGKILL the descendants of `root` and all processes in `sessions`, until none is left.

    `root` itself stays, to reap its children. It is 0, or an unreaped child of the daemon, so that
    its pid cannot be reused. Returns False if a process still lives after KILL_S.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + KILL_S
    while loop.time() < deadline:
        processes = family(await offload(table), root, sessions)
        if not processes:
            return True
        await _kill(processes)
    return False


async def end_with(root: int, start: int, sessions: set[int]) -> bool:
    """SIGKILL the process `root` (by pid and start time) with its family, then as `end` does."""
    processes = await offload(table)
    found = processes.get(root)
    if found is not None and found.start_time == start:
        await _kill([found, *family(processes, root, sessions)])
    return await end(0, sessions)


async def _kill(processes: list[Stat]) -> None:
    with ExitStack() as closing:
        held = [closing.enter_context(Process.of(entry)) for entry in processes]
        for each in held:
            each.send(signal.SIGKILL)
        for each in held:
            await each.ended(_ROUND_S)
