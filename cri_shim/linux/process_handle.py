"""A process that is not a child of this one, by a descriptor that can never mean another process.

with Process.of(record) as process:
    if not await process.kill():
        raise ToolFailed(...)
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, Self

from cri_shim.linux import pidfd

KILL_S = 5.0  # for a process to end after SIGKILL: it takes milliseconds, or hangs in the kernel


class Known(Protocol):
    """A process by pid and start time: a record, or a line of the process table."""

    @property
    def pid(self) -> int: ...

    @property
    def start_time(self) -> int: ...


class Process:
    """A process that is held until the end of a block, or until `close`.

    A process that is gone, even from /proc, can be held too: it has ended, and gets no signal.
    """

    def __init__(self, pid: int, fd: int | None) -> None:
        self.pid = pid
        self._fd = fd
        self._loop: asyncio.AbstractEventLoop | None = None  # while `on_end` watches

    @classmethod
    def of(cls, known: Known) -> "Process":
        """Hold the process of a record, if its pid still has the recorded start time."""
        return cls(known.pid, pidfd.open_verified(known.pid, known.start_time))

    @classmethod
    def at(cls, pid: int) -> "Process":
        """Hold the process that has this pid now."""
        return cls(pid, pidfd.open_now(pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hold and watch it no longer. Idempotent."""
        if self._fd is not None:
            self._unwatch(self._fd)
            os.close(self._fd)
            self._fd = None

    @property
    def gone(self) -> bool:
        """Whether there was no such process any more, not even a zombie."""
        return self._fd is None

    def send(self, number: int) -> bool:
        """Send a signal; False if the process had already ended."""
        return self._fd is not None and pidfd.send(self._fd, number)

    def on_end(self, callback: Callable[..., object], *args: object) -> None:
        """Let the loop call `callback(*args)` once the process has ended, soon if it has already.

        Not for a process that is gone.
        """
        if self._fd is None:
            raise ProcessLookupError(f"process {self.pid} is gone")
        fd, self._loop = self._fd, asyncio.get_running_loop()

        def over() -> None:
            self._unwatch(fd)
            callback(*args)

        self._loop.add_reader(fd, over)

    def exit_status(self) -> int | None:
        """Return how it ended: 0..255, or 128 + signal; None if that is not known (yet)."""
        if self._fd is None:
            return None
        try:  # a zombie child of this process: read the status without reaping it
            found = os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return pidfd.exit_status(self._fd)
        if found is None:
            return None
        killed = found.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
        return 128 + found.si_status if killed else found.si_status

    def reap(self) -> None:
        """Wait, and block, until it has ended, and reap it; nothing if it is no child of ours."""
        if self._fd is not None:
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._fd, os.WEXITED)

    def _unwatch(self, fd: int) -> None:
        if self._loop is not None:
            self._loop.remove_reader(fd)
            self._loop = None

    async def ended(self, within: float) -> bool:
        """Wait; return whether the process ended within this many seconds (a zombie has)."""
        if self._fd is None:
            return True
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        loop.add_reader(self._fd, event.set)
        try:
            async with asyncio.timeout(within):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._fd)
        return True

    async def kill(self, within: float = KILL_S) -> bool:
        """Send SIGKILL; return whether the process ended within this many seconds."""
        self.send(signal.SIGKILL)
        return await self.ended(within)

    async def end(self, grace: float) -> bool:
        """Give it `grace` seconds to end by itself, then kill it; False if it had to be killed.

        The wait after SIGKILL does not depend on `grace`: it is at most KILL_S.
        """
        if await self.ended(grace):
            return True
        await self.kill()
        return False
