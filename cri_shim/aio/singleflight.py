"""Equal work is done once; whoever asks for it while it runs gets the same result.

The work belongs to the flight, not to a caller: a caller that is cancelled leaves it running, so
a retry joins it instead of starting a second one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from cri_shim.aio.offload import join

K = TypeVar("K")
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    def __init__(self, name: str) -> None:
        self._name = name
        self._flights: dict[K, asyncio.Task[T]] = {}

    async def do(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Join the flight of `key`, or start it with `work()`; raise what it raised."""
        task = self._flights.get(key)
        if task is None:
            task = asyncio.create_task(work(), name=f"{self._name} {key}")
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await join(task)

    def in_flight(self, key: K) -> bool:
        return key in self._flights

    def _landed(self, key: K, task: asyncio.Task[T]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # an error nobody waited for any more is not "never retrieved"

    async def drain(self, timeout: float) -> None:
        """Give flights `timeout` seconds to land, then cancel what is left and await it."""
        tasks = list(self._flights.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
