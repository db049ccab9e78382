"""One lock for each key; it exists only while a task holds it or waits for it.

With a `limit` above 1, so many tasks may hold it at once. The wait for a lock is a step of the
operation that waits; it tells which operation holds the lock.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from cri_shim.activity import Operation, Step
from cri_shim.activity.step import current_operation


class KeyedLock:
    def __init__(self, limit: int = 1, what: str = "the lock of the object") -> None:
        """`what` is waited for, if no operation holds the lock."""
        self._limit = limit
        self._what = what
        self._holders: dict[Hashable, Operation] = {}  # the last one of each lock that is held
        self._locks: dict[Hashable, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def __call__(self, key: Hashable) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (asyncio.Semaphore(self._limit), 0))
        self._locks[key] = lock, users + 1
        try:
            if lock.locked():
                with Step("queue", self._what, on=self._holders.get(key)):
                    await lock.acquire()
            else:
                await lock.acquire()
            try:
                if (holder := current_operation()) is not None:
                    self._holders[key] = holder
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1
            else:
                self._holders.pop(key, None)
