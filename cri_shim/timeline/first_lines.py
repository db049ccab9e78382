"""Looks for the first line of the log of each container that was started, a few times."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from cri_shim.aio.tasks import Tasks
from cri_shim.timeline.entry import Entry

PAUSES_S = (1.0, 9.0, 50.0, 240.0)  # before each look; a container may write nothing at all
MOST_WAITING = 2_000  # containers; more are not looked at

Look = Callable[[str], Awaitable[Entry | None]]


class FirstLines:
    def __init__(self, look: Look, found: Callable[[str, Entry], None]) -> None:
        """`look` gets the id of a container; `found` the id of its pod, and the entry."""
        self._look, self._found = look, found
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks = Tasks()

    def started(self, pod_id: str, id: str) -> None:
        """Begin to look for the first line of a container that has just been started."""
        if len(self._timers) < MOST_WAITING:
            self._next(pod_id, id, iter(PAUSES_S))

    def _next(self, pod_id: str, id: str, pauses: Iterator[float]) -> None:
        if (pause := next(pauses, None)) is not None:
            later = asyncio.get_running_loop().call_later
            self._timers[id] = later(pause, self._spawn, pod_id, id, pauses)

    def _spawn(self, pod_id: str, id: str, pauses: Iterator[float]) -> None:
        del self._timers[id]
        self._tasks.spawn("look for the first line of a log", self._try(pod_id, id, pauses))

    async def _try(self, pod_id: str, id: str, pauses: Iterator[float]) -> None:
        entry = await self._look(id)
        if entry is None:
            self._next(pod_id, id, pauses)
        else:
            self._found(pod_id, entry)

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await self._tasks.drain()
