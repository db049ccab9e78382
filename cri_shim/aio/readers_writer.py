"""A readers-writer lock: ADDs of different pods share it, a GC of their network has it alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cri_shim.errors import TimedOut


class ReadersWriterLock:
    def __init__(self) -> None:
        self._entry = asyncio.Lock()
        self._empty = asyncio.Event()
        self._empty.set()
        self._inside = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Share the lock; waits while a task has it alone, or waits to get it alone."""
        async with self._entry:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self, patience: float) -> AsyncIterator[None]:
        """Have the lock alone; TimedOut if the others do not leave within `patience` seconds."""
        async with self._entry:
            try:
                await asyncio.wait_for(self._empty.wait(), patience)
            except TimeoutError as e:
                raise TimedOut(f"{self._inside} others were not out within {patience:g} s") from e
            yield
