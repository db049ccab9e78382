"""Many may pass together, or one alone: ADDs of different pods against a GC of their network."""

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
        """Pass with others; waits while somebody is alone inside, or about to be."""
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
        """Be alone inside, or TimedOut when the others are not out within `patience` seconds."""
        async with self._entry:
            try:
                await asyncio.wait_for(self._empty.wait(), patience)
            except TimeoutError as e:
                raise TimedOut(f"{self._inside} others were not out within {patience:g} s") from e
            yield
