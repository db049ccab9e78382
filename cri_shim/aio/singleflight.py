"""Equal work runs once; a caller that requests it while it runs gets the same result.

The work belongs to the flight, not to a caller: a caller that is cancelled leaves it running, so
that a retry joins it instead of starting it again. With `needs_waiters` the work is cancelled when
the last caller has gone: for work that is useless without a caller, such as a pull.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cri_shim.aio.offload import join

K = TypeVar("K")
T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class SingleFlight(Generic[K, T]):
    def __init__(self, name: str, *, needs_waiters: bool = False) -> None:
        self._name = name
        self._needs_waiters = needs_waiters
        self._flights: dict[K, _Flight[T]] = {}
        self._abandoned: set[asyncio.Task[T]] = set()

    async def do(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Join the flight of `key`, or start it with `work()`; raise its error."""
        flight = self._flights.get(key)
        if flight is None:
            task = asyncio.create_task(work(), name=f"{self._name} {key}")
            flight = self._flights[key] = _Flight(task)
            task.add_done_callback(lambda done: self._landed(key, done))
        flight.waiting += 1
        try:
            return await join(flight.task)
        finally:
            flight.waiting -= 1
            if self._needs_waiters and not flight.waiting and not flight.task.done():
                self._abandon(key, flight.task)

    def in_flight(self, key: K) -> bool:
        return key in self._flights

    def _abandon(self, key: K, task: asyncio.Task[T]) -> None:
        # Remove it at once: a new caller must not join work that is being undone.
        if (flight := self._flights.get(key)) is not None and flight.task is task:
            del self._flights[key]
        self._abandoned.add(task)
        task.cancel()

    def _landed(self, key: K, task: asyncio.Task[T]) -> None:
        if (flight := self._flights.get(key)) is not None and flight.task is task:
            del self._flights[key]
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # avoids "never retrieved" for an error that no caller awaits

    async def drain(self, timeout: float) -> None:
        """Give flights `timeout` seconds to end, then cancel the rest and wait for them."""
        tasks = [flight.task for flight in self._flights.values()] + list(self._abandoned)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
