"""Reaps the orphans that a subreaper inherits.

The daemon is a child subreaper: when a conmon or a container's monitor dies, its orphans become
children of the daemon, and no other process reaps them. Children that aio.child started are left to
their own pidfd reader.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cri_shim.aio import child
from cri_shim.errors import WrongState

_holds = 0
_users = 0
_postponed = False


def start() -> None:
    """Reap orphans from now on; this module owns SIGCHLD until as many `stop`s.

    WrongState outside of the main thread, because only that thread receives signals.
    """
    global _users
    if threading.current_thread() is not threading.main_thread():
        raise WrongState("a runtime must be opened in the main thread: it waits for SIGCHLD there")
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, _signalled)
    _users += 1
    reap_orphans()


def _signalled() -> None:
    # After the pidfd readers of the same moment: then there is usually no zombie left.
    asyncio.get_running_loop().call_soon(reap_orphans)


def stop() -> None:
    global _users
    _users -= 1
    if _users == 0:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)


def active() -> bool:
    """Whether `start` was called and not stopped."""
    return _users > 0


@contextmanager
def held() -> Iterator[None]:
    """Reap no process inside the block, while the caller learns which orphan it will adopt."""
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
    """Reap every zombie child that aio.child neither started nor adopted."""
    global _postponed
    if _holds:
        _postponed = True
        return
    while (pid := _zombie()) is not None:
        if pid in child.ours:  # leave this one alone; there may be others behind it
            _reap_among(_children())
            return
        _reap_among([pid])


def _zombie() -> int | None:
    """Return the pid of an ended child, if there is one, without reaping it."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def _reap_among(pids: list[int]) -> None:
    for pid in pids:
        if pid not in child.ours:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _children() -> list[int]:
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            found += map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            continue
    return found
