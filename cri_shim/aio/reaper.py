"""Reaps what a subreaper inherits.

The daemon is a child subreaper: when a conmon or a container's monitor dies, its orphans become
ours, and nobody else would wait for them. Children that aio.child started are left to their own
pidfd reader.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cri_shim.aio import child

_holds = 0
_postponed = False


def start() -> None:
    """Reap orphans from now on; SIGCHLD belongs to this until `stop`."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, reap_orphans)
    reap_orphans()


def stop() -> None:
    asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)


@contextmanager
def held() -> Iterator[None]:
    """Reap nobody inside the block: for who is about to learn which orphan is to be adopted."""
    global _holds, _postponed
    _holds += 1
    try:
        yield
    finally:
        _holds -= 1
        if not _holds and _postponed:
            _postponed = False
            reap_orphans()


def reap_orphans() -> None:
    """Reap every zombie child that is not ours by birth or adoption."""
    global _postponed
    if _holds:
        _postponed = True
        return
    for pid in _children():
        if pid not in child.ours:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def _children() -> list[int]:
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            found += map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            continue
    return found
