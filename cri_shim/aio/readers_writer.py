"""A readers-writer lock: ADDs of different pods share it, a GC of their network has it alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cri_shim.activity import Step
from cri_shim.errors import TimedOut


class ReadersWriterLock:
    def __init__(self, what: str = "a task that has the lock alone") -> None:
        """`what` is what tasks that share the lock wait for; it is a step of their operations."""
        self._what = what
        self._entry = asyncio.Lock()
        self._empty = asyncio.Event()
        self._empty.set()
        self._inside = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Take the lock with others; wait while a task has it alone or waits for that."""
        if self._entry.locked():
            with Step("queue", self._what):
                await self._entry.acquire()
        else:
            await self._entry.acquire()
        self._inside += 1
        self._empty.clear()
        self._entry.release()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self, patience: float) -> AsyncIterator[None]:
        """Take the lock alone; TimedOut if the others do not leave within `patience` seconds."""
        async with self._entry:
            try:
                await asyncio.wait_for(self._empty.wait(), patience)
            except TimeoutError as e:
                raise TimedOut(f"{self._inside} others were not out within {patience:g} s") from e
            yield
