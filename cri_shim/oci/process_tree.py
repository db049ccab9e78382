"""Ending a command with all it started.

Who belongs to it: its descendants, and whoever is in a session that one of them is or was in. A
process that left both (a daemon by its own wish) belongs to the container, not to the command.
"""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio.ended import ended
from cri_shim.aio.offload import offload
from cri_shim.linux import pidfd

END_S = 5.0  # how long killing is repeated; longer means stuck in the kernel
_ROUND_S = 0.5


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the process table, as much as is needed here."""

    pid: int
    parent: int
    session: int
    start: int
    state: str


def table() -> dict[int, Entry]:
    """Every process now; one that ends meanwhile may be missing. Blocks, 20 us a process."""
    found: dict[int, Entry] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = text[text.rindex(b")") + 2 :].split()
        pid = int(entry.name)
        found[pid] = Entry(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0].decode())
    return found


def family(processes: dict[int, Entry], root: int, sessions: set[int]) -> list[Entry]:
    """Who of the living descends from `root` or is in one of `sessions`; `root` is left out.

    `sessions` grows by those of the descendants, so that the next round finds orphans too.
    """
    children: dict[int, list[Entry]] = {}
    for entry in processes.values():
        children.setdefault(entry.parent, []).append(entry)
    found: dict[int, Entry] = {}
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
    return [entry for entry in found.values() if entry.state not in "ZXx"]


async def end(root: int, sessions: set[int]) -> bool:
    """SIGKILL all that descends from `root` or is in `sessions`, until nothing of it lives.

    `root` itself is left, to reap its children; it must be a child of ours that is not reaped, so
    that its pid is its own, or 0. False if something still lives after END_S.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + END_S
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
    if found is not None and found.start == start:
        await _kill([found, *family(processes, root, sessions)])
    return await end(0, sessions)


async def _kill(living: list[Entry]) -> None:
    held = [fd for e in living if (fd := pidfd.open_verified(e.pid, e.start)) is not None]
    try:
        for fd in held:
            pidfd.send(fd, signal.SIGKILL)
        for fd in held:
            await ended(fd, _ROUND_S)
    finally:
        for fd in held:
            os.close(fd)
