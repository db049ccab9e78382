"""The end of a container is the end of its conmon: at that time the exit file is final.

The init's pidfd fires earlier, when there is no exit file yet. So it is used only if conmon has
ended without an exit file. This means that conmon itself was killed and the container continues.
Then the exit status comes from the kernel: the daemon is a child subreaper and inherits the orphan.

The loop watches both by their pidfds; a slow poll over all of them decides. Each watch reports at
most one exit.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio.child import KILLED_CODE, LOST_CODE
from cri_shim.linux import process
from cri_shim.linux.process_handle import Process
from cri_shim.pb import state_pb2 as state
from cri_shim.untrusted import read_file

POLL_S = 30.0  # the largest delay of an exit if an event is missed
REAP_S = 2.0  # for the new parent of a dead init to reap it, which makes its status known
_REAP_STEP_S = 0.01
_EXIT_FILE_LIMIT = 64  # bytes


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended.

    `exit_code` is 0..255, or 128 + signal; `finished_at` is in nanoseconds since the epoch; `known`
    is False if the exit status could not be read.
    """

    id: str
    exit_code: int
    finished_at: int
    oom: bool
    known: bool


def read(id: str, bundle: Path) -> Exit | None:
    """Return the exit that conmon has written; None if it has written none (yet)."""
    file = bundle / "exit"
    try:
        code, finished_at = int(read_file(file, _EXIT_FILE_LIMIT)), file.stat().st_mtime_ns
    except (OSError, ValueError):  # conmon renames a complete file: it is never empty
        return None
    # The `oom` file may be about any process of the container; only a killed init was its end.
    oom = code == KILLED_CODE and (bundle / "oom").exists()
    return Exit(id, code & 0xFF, finished_at, oom, known=True)


@dataclass(slots=True)
class _Watch:
    bundle: Path
    init: state.Process
    monitor: state.Process | None
    held_init: Process  # from the start: it has the status even after the reaping
    held_monitor: Process
    lost: bool = False  # conmon ended without an exit file
    orphaned: bool = False  # the same, and the init is followed
    give_up_at: float = 0.0  # loop time; the init has ended, and its status is awaited until then


class Exits:
    """Follows containers until they end. Belongs to one running loop."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}
        # At most one exit for each watch: the number of containers bounds the queue.
        self._exits: asyncio.Queue[Exit] = asyncio.Queue()
        self._poll: asyncio.TimerHandle | None = None
        self.monitors_lost = 0  # conmons that ended without an exit file, since the start

    def waiting(self) -> int:
        """Return the number of exits that no follower has taken yet."""
        return self._exits.qsize()

    def watch(
        self, id: str, bundle: Path, init: state.Process, monitor: state.Process | None
    ) -> None:
        """Report the container's end, at once if it has ended already. Idempotent."""
        if id in self._watches:
            return
        if monitor is not None and not monitor.pid:
            monitor = None  # a record without a monitor has an empty message
        watch = _Watch(bundle, init, monitor, _held(init), _held(monitor))
        self._watches[id] = watch
        if watch.held_monitor.gone:
            self._look(id)
        else:
            watch.held_monitor.on_end(self._monitor_ended, id)
        if self._poll is None:
            self._poll = asyncio.get_running_loop().call_later(POLL_S, self._poll_all)

    def unwatch(self, id: str) -> None:
        """Forget the container. Idempotent."""
        watch = self._watches.pop(id, None)
        if watch is None:
            return
        watch.held_init.close()
        watch.held_monitor.close()
        if not self._watches and self._poll is not None:
            self._poll.cancel()
            self._poll = None

    def watched(self) -> frozenset[str]:
        """Return the ids of the containers whose end is awaited."""
        return frozenset(self._watches)

    def close(self) -> None:
        """Forget all containers; they continue, and the next daemon watches them again."""
        for id in list(self._watches):
            self.unwatch(id)

    async def events(self) -> AsyncIterator[Exit]:
        """Yield every exit once, in the order in which they were noticed, until cancelled."""
        while True:
            yield await self._exits.get()

    def _monitor_ended(self, id: str) -> None:
        self._watches[id].held_monitor.close()
        self._look(id)

    def _look(self, id: str) -> None:
        """Handle a conmon that has ended, or that no event watches."""
        watch = self._watches[id]
        monitor = watch.monitor
        if monitor is not None and process.alive(monitor.pid, monitor.start_time):
            return  # it will write the exit
        if (exit := read(id, watch.bundle)) is not None:
            self._report(exit)
            return
        if monitor is not None and not watch.lost:
            watch.lost = True
            self.monitors_lost += 1
        if process.alive(watch.init.pid, watch.init.start_time):
            self._follow_init(id, watch)
        else:
            self._init_ended(id)

    def _follow_init(self, id: str, watch: _Watch) -> None:
        if watch.orphaned:
            return
        watch.orphaned = True
        if not watch.held_init.gone:
            watch.held_init.on_end(self._init_ended, id)

    def _init_ended(self, id: str) -> None:
        """Report an init that ended without conmon; wait up to REAP_S for its exit status."""
        watch = self._watches.get(id)
        if watch is None:
            return
        loop = asyncio.get_running_loop()
        code = watch.held_init.exit_status()
        if code is not None:
            self._report(Exit(id, code, time.time_ns(), oom=False, known=True))
            return
        watch.give_up_at = watch.give_up_at or loop.time() + REAP_S
        unreaped = process.state(watch.init.pid) is not None and not watch.held_init.gone
        if unreaped and loop.time() < watch.give_up_at:
            loop.call_later(_REAP_STEP_S, self._init_ended, id)
        else:
            self._report(Exit(id, LOST_CODE, time.time_ns(), oom=False, known=False))

    def _report(self, exit: Exit) -> None:
        self.unwatch(exit.id)
        self._exits.put_nowait(exit)

    def _poll_all(self) -> None:
        self._poll = asyncio.get_running_loop().call_later(POLL_S, self._poll_all)
        for id in list(self._watches):
            self._look(id)


def _held(known: state.Process | None) -> Process:
    try:
        return Process.of(known or state.Process())
    except OSError:  # no free descriptor: only the poll will find the end
        return Process(0, None)
