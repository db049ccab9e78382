"""Work that continues when its caller gives up; the result waits for the caller's next attempt.

A create may take longer than its caller's deadline. It must neither be started twice under one name
nor block that name: the next equal request joins the work, or collects its result. A result that a
caller has received is forgotten here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cri_shim.activity import Operation, Operations, Subject
from cri_shim.activity.joining import task_of, waiting_for
from cri_shim.aio.offload import join
from cri_shim.errors import AlreadyExists

K = TypeVar("K")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[R, T]):
    request: R
    task: asyncio.Task[T]
    operation: Operation | None
    waiting: int = 0


class Resumable(Generic[K, R, T]):
    def __init__(self, name: str, operations: Operations | None = None) -> None:
        """With `operations`, the work of each key is one of them; `name` is its verb."""
        self._name = name
        self._operations = operations
        self._flights: dict[K, _Flight[R, T]] = {}

    async def do(
        self,
        key: K,
        request: R,
        work: Callable[[], Coroutine[Any, Any, T]],
        still_there: Callable[[T], bool],
        subject: Subject | None = None,
    ) -> T:
        """Join or start the work of `key`. `subject` is its object, if it is an operation.

        AlreadyExists if it was started for a request that is not equal. `still_there(result)` says
        whether an uncollected result is still valid; if not, the work is started again.
        """
        flight = self._flights.get(key)
        if flight is not None and flight.task.done() and not _good(flight.task, still_there):
            del self._flights[key]
            flight = None
        if flight is None:
            flight = self._flights[key] = self._started(key, request, work, subject)
        elif flight.request != request:
            raise AlreadyExists(_different(self._name, key, flight.operation))
        flight.waiting += 1
        try:
            with waiting_for(flight.operation):
                result = await join(flight.task)
        finally:
            flight.waiting -= 1
        if self._flights.get(key) is flight:
            del self._flights[key]
        return result

    def _started(
        self,
        key: K,
        request: R,
        work: Callable[[], Coroutine[Any, Any, T]],
        subject: Subject | None,
    ) -> _Flight[R, T]:
        name, operation = f"{self._name} {key}", None
        if self._operations is None or subject is None:
            task = asyncio.create_task(work(), name=name)
        else:
            operation = self._operations.begin(self._name, subject)
            task = task_of(self._operations, operation, work(), name)
        task.add_done_callback(lambda _: self._landed(key))
        return _Flight(request, task, operation)

    def under_way(self, key: K) -> bool:
        """Whether work of `key` runs, or its result has not been collected."""
        return key in self._flights

    def _landed(self, key: K) -> None:
        flight = self._flights.get(key)
        if flight is None or not flight.task.done():
            return
        failed = flight.task.cancelled() or flight.task.exception() is not None
        if failed:  # the waiting callers get the error; a later caller starts again
            del self._flights[key]

    async def drain(self, timeout: float) -> None:
        """Give running work `timeout` seconds, then cancel it and wait for its roll-back."""
        tasks = [flight.task for flight in self._flights.values() if not flight.task.done()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


def _different(name: str, key: object, operation: Operation | None) -> str:
    what = f"{name} {key}" if operation is None else str(operation)
    text = f"{what}: under way with a different configuration"
    return text if operation is None or not operation.open else f"{text}, {operation.progress()}"


def _good(task: "asyncio.Task[T]", still_there: Callable[[T], bool]) -> bool:
    return not task.cancelled() and task.exception() is None and still_there(task.result())
