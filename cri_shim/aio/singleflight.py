"""Equal work runs once; a caller that requests it while it runs gets the same result.

The work belongs to the flight, not to a caller: a caller that is cancelled leaves it running, so
that a retry joins it instead of starting it again. With `needs_waiters` the work is cancelled when
the last caller has gone: for work that is useless without a caller, such as a pull.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cri_shim.activity import Operation, Operations, Subject
from cri_shim.activity.joining import task_of, waiting_for
from cri_shim.aio.offload import join

K = TypeVar("K")
T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    operation: Operation | None
    waiting: int = 0


class SingleFlight(Generic[K, T]):
    def __init__(
        self, name: str, operations: Operations | None = None, *, needs_waiters: bool = False
    ) -> None:
        """With `operations`, each flight is one of them; `name` is its verb."""
        self._name = name
        self._operations = operations
        self._needs_waiters = needs_waiters
        self._flights: dict[K, _Flight[T]] = {}
        self._abandoned: set[asyncio.Task[T]] = set()

    async def do(
        self, key: K, work: Callable[[], Coroutine[Any, Any, T]], subject: Subject | None = None
    ) -> T:
        """Join the flight of `key`, or start it with `work()`; raise its error.

        `subject` is the object of the operation, if a flight is one.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = self._started(key, work, subject)
        flight.waiting += 1
        try:
            with waiting_for(flight.operation):
                return await join(flight.task)
        finally:
            flight.waiting -= 1
            if self._needs_waiters and not flight.waiting and not flight.task.done():
                self._abandon(key, flight)

    def _started(
        self, key: K, work: Callable[[], Coroutine[Any, Any, T]], subject: Subject | None
    ) -> _Flight[T]:
        name, operation = f"{self._name} {key}", None
        if self._operations is None or subject is None:
            task = asyncio.create_task(work(), name=name)
        else:
            operation = self._operations.begin(self._name, subject)
            task = task_of(self._operations, operation, work(), name)
        task.add_done_callback(lambda done: self._landed(key, done))
        return _Flight(task, operation)

    def in_flight(self, key: K) -> bool:
        return key in self._flights

    def _abandon(self, key: K, flight: _Flight[T]) -> None:
        # Remove it at once: a new caller must not join work that is being undone.
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.operation is not None:
            flight.operation.abandoned = True
        self._abandoned.add(flight.task)
        flight.task.cancel()

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
