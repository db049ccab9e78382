"""The end of a container is the end of its conmon: the exit file is final then.

The init's pidfd fires earlier, when there is no exit file yet, so it is looked at only if conmon
has ended without writing one, which means that conmon itself was killed and the container lives on.
Its exit status is then the kernel's: the daemon, a child subreaper, inherits the orphan.

Both are watched by pidfds on the loop; a slow poll over all of them is the truth. Each watch tells
at most one exit.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio.child import LOST_CODE
from cri_shim.linux import pidfd, process
from cri_shim.pb import state_pb2 as state
from cri_shim.untrusted import read_file

POLL_S = 30.0  # how late an exit is seen at worst, should an event be missed
REAP_S = 2.0  # for a dead init to be reaped by its new parent, which makes its status known
_REAP_STEP_S = 0.01
_EXIT_FILE_LIMIT = 64  # bytes
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended.

    `exit_code` is 0..255, or 128 + signal; `finished_at` in nanoseconds since the epoch; `known` is
    False if nobody saw the exit status.
    """

    id: str
    exit_code: int
    finished_at: int
    oom: bool
    known: bool


def read(id: str, bundle: Path) -> Exit | None:
    """The exit that conmon has written, None if it has not (yet)."""
    file = bundle / "exit"
    try:
        code, finished_at = int(read_file(file, _EXIT_FILE_LIMIT)), file.stat().st_mtime_ns
    except (OSError, ValueError):  # conmon renames a whole file: ours is never empty
        return None
    # The mark tells of any process of the container; only a killed init was its end.
    oom = code == _KILLED and (bundle / "oom").exists()
    return Exit(id, code & 0xFF, finished_at, oom, known=True)


@dataclass(slots=True)
class _Watch:
    bundle: Path
    init: state.Process
    monitor: state.Process | None
    init_fd: int | None = None  # open from the start: it knows the status even after reaping
    monitor_fd: int | None = None
    orphaned: bool = False  # conmon ended without an exit file
    give_up_at: float = 0.0  # loop time; the init has ended, its status is waited for


class Exits:
    """Follows containers until they end. Belongs to one running loop."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}
        # At most one exit a watch: the queue is bounded by the number of containers.
        self._exits: asyncio.Queue[Exit] = asyncio.Queue()
        self._poll: asyncio.TimerHandle | None = None

    def watch(
        self, id: str, bundle: Path, init: state.Process, monitor: state.Process | None
    ) -> None:
        """Tell of the container's end, at once if it has ended already. Watching twice is once."""
        if id in self._watches:
            return
        if monitor is not None and not monitor.pid:
            monitor = None  # a record without one reads like this
        watch = self._watches[id] = _Watch(bundle, init, monitor)
        try:
            watch.init_fd = pidfd.open_verified(init.pid, init.start_time)
            if monitor is not None:
                watch.monitor_fd = pidfd.open_verified(monitor.pid, monitor.start_time)
        except OSError:  # no descriptor left: the poll alone will tell
            pass
        if watch.monitor_fd is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(watch.monitor_fd, self._monitor_ended, id)
        else:
            self._look(id)
        if self._poll is None:
            self._poll = asyncio.get_running_loop().call_later(POLL_S, self._poll_all)

    def unwatch(self, id: str) -> None:
        """Forget the container. Idempotent."""
        watch = self._watches.pop(id, None)
        if watch is None:
            return
        loop = asyncio.get_running_loop()
        for fd in (watch.init_fd, watch.monitor_fd):
            if fd is not None:
                loop.remove_reader(fd)
                os.close(fd)
        if not self._watches and self._poll is not None:
            self._poll.cancel()
            self._poll = None

    def watching(self, id: str) -> bool:
        return id in self._watches

    def close(self) -> None:
        """Forget all containers; they live on, and the next daemon watches them again."""
        for id in list(self._watches):
            self.unwatch(id)

    async def events(self) -> AsyncIterator[Exit]:
        """Every exit once, in the order they were noticed, until cancelled."""
        while True:
            yield await self._exits.get()

    def _monitor_ended(self, id: str) -> None:
        watch = self._watches[id]
        if watch.monitor_fd is not None:
            asyncio.get_running_loop().remove_reader(watch.monitor_fd)
            os.close(watch.monitor_fd)
            watch.monitor_fd = None
        self._look(id)

    def _look(self, id: str) -> None:
        """Conmon has ended, or cannot be watched by an event."""
        watch = self._watches[id]
        monitor = watch.monitor
        if monitor is not None and process.alive(monitor.pid, monitor.start_time):
            return  # it will write the exit
        if (exit := read(id, watch.bundle)) is not None:
            self._tell(exit)
        elif process.alive(watch.init.pid, watch.init.start_time):
            self._follow_init(id, watch)
        else:
            self._init_ended(id)

    def _follow_init(self, id: str, watch: _Watch) -> None:
        if watch.orphaned:
            return
        watch.orphaned = True
        if watch.init_fd is not None:
            asyncio.get_running_loop().add_reader(watch.init_fd, self._init_ended, id)

    def _init_ended(self, id: str) -> None:
        """Without conmon. The status is known as soon as the init's new parent has reaped it."""
        watch = self._watches.get(id)
        if watch is None:
            return
        loop = asyncio.get_running_loop()
        code = None if watch.init_fd is None else _status(watch.init_fd)
        if watch.init_fd is not None:
            loop.remove_reader(watch.init_fd)
        if code is not None:
            self._tell(Exit(id, code, time.time_ns(), oom=False, known=True))
            return
        watch.give_up_at = watch.give_up_at or loop.time() + REAP_S
        unreaped = process.state(watch.init.pid) is not None and watch.init_fd is not None
        if unreaped and loop.time() < watch.give_up_at:
            loop.call_later(_REAP_STEP_S, self._init_ended, id)
        else:
            self._tell(Exit(id, LOST_CODE, time.time_ns(), oom=False, known=False))

    def _tell(self, exit: Exit) -> None:
        self.unwatch(exit.id)
        self._exits.put_nowait(exit)

    def _poll_all(self) -> None:
        self._poll = asyncio.get_running_loop().call_later(POLL_S, self._poll_all)
        for id in list(self._watches):
            self._look(id)


def _status(fd: int) -> int | None:
    """The exit status of an ended process by its pidfd; None if it is not known (yet)."""
    try:  # a zombie of our own: look without reaping it
        found = os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return pidfd.exit_status(fd)
    if found is None:
        return None
    killed = found.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
    return 128 + found.si_status if killed else found.si_status
