"""A process that is not our child, by a descriptor that can never mean another process.

with Process.of(record) as process:
    if not await process.kill():
        raise ToolFailed(...)
"""

import asyncio
import os
import signal
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
    """A process that is held until the end of a block.

    A process that is gone, even from /proc, can be held too: it has ended, and gets no signal.
    """

    def __init__(self, pid: int, fd: int | None) -> None:
        self.pid = pid
        self._fd = fd

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
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def gone(self) -> bool:
        """Whether there was no such process any more, not even a zombie."""
        return self._fd is None

    def send(self, number: int) -> bool:
        """Send a signal; False if the process had already ended."""
        return self._fd is not None and pidfd.send(self._fd, number)

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
        """Give it `grace` seconds to end by itself, then kill it; False if it had to be killed."""
        if await self.ended(grace):
            return True
        await self.kill(grace)
        return False
