"""A process that is started before it is needed: it imports, and waits a while for its work."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from cri_shim.aio.tasks import Tasks
from cri_shim.errors import ToolFailed

_AFTER_S = 0.02  # until it is started: the work that has just ended comes first


class Ready(Protocol):
    """A started process without work."""

    @property
    def running(self) -> bool: ...

    def close(self) -> None: ...

    async def end(self) -> None: ...


T = TypeVar("T", bound=Ready)


class Standby(Generic[T]):
    """At most one process of `start`, which is ended if it is not used for `seconds`."""

    def __init__(self, what: str, start: Callable[[], T], seconds: float) -> None:
        """`what` describes the process; `seconds` may be 0: then none is ever started."""
        self._what = what
        self._start = start
        self._seconds = seconds
        self._tasks = Tasks()
        self._life: asyncio.Task[None] | None = None
        self.waiting: T | None = None

    def take(self) -> T | None:
        """Return the process that waits, if one does and has not ended. The caller ends it."""
        waiting, self.waiting = self.waiting, None
        if self._life is not None:
            self._life.cancel()
            self._life = None
        if waiting is not None and not waiting.running:
            waiting.close()
            return None
        return waiting

    def have(self) -> None:
        """Have one wait, soon."""
        if self._seconds and self._life is None:
            self._life = self._tasks.spawn(self._what, self._live())

    async def _live(self) -> None:
        await asyncio.sleep(_AFTER_S)
        with suppress(ToolFailed):  # the work will start its own, and say why it cannot
            self.waiting = self._start()
            await asyncio.sleep(self._seconds)
        unused, self.waiting, self._life = self.waiting, None, None
        if unused is not None:
            await unused.end()

    async def close(self) -> None:
        """End the process that waits."""
        waiting = self.take()
        if waiting is not None:
            await waiting.end()
        await self._tasks.drain()
