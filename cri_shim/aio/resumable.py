"""Work that continues when its caller gives up; the result waits for the caller's next attempt.

A create may take longer than its caller's deadline. It must neither be started twice under one name
nor block that name: the next equal request joins the work, or collects its result. A result that a
caller has received is forgotten here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cri_shim.aio.offload import join
from cri_shim.errors import AlreadyExists

K = TypeVar("K")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[R, T]):
    request: R
    task: asyncio.Task[T]
    waiting: int = 0


class Resumable(Generic[K, R, T]):
    def __init__(self, name: str) -> None:
        self._name = name
        self._flights: dict[K, _Flight[R, T]] = {}

    async def do(
        self,
        key: K,
        request: R,
        work: Callable[[], Coroutine[Any, Any, T]],
        still_there: Callable[[T], bool],
    ) -> T:
        """Join or start the work of `key`.

        AlreadyExists if it was started for a request that is not equal. `still_there(result)` says
        whether an uncollected result is still valid; if not, the work is started again.
        """
        flight = self._flights.get(key)
        if flight is not None and flight.task.done() and not _good(flight.task, still_there):
            del self._flights[key]
            flight = None
        if flight is None:
            task = asyncio.create_task(work(), name=f"{self._name} {key}")
            flight = self._flights[key] = _Flight(request, task)
            task.add_done_callback(lambda _: self._landed(key))
        elif flight.request != request:
            raise AlreadyExists(f"{self._name} {key}: under way with a different configuration")
        flight.waiting += 1
        try:
            result = await join(flight.task)
        finally:
            flight.waiting -= 1
        if self._flights.get(key) is flight:
            del self._flights[key]
        return result

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


def _good(task: "asyncio.Task[T]", still_there: Callable[[T], bool]) -> bool:
    return not task.cancelled() and task.exception() is None and still_there(task.result())
