"""Waiting for a change of something that has a name."""

import asyncio
from collections.abc import Callable


class Changes:
    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._end: Exception | None = None

    def wake(self, name: str) -> None:
        """`name` has changed: whoever waits for it looks again."""
        for waiter in self._waiters.get(name, ()):
            if not waiter.done():
                waiter.set_result(None)

    def end(self, why: Exception) -> None:
        """There will be no change any more: whoever waits, or would, hears `why`."""
        self._end = why
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(why)

    async def until(self, name: str, reached: Callable[[], bool]) -> None:
        """Wait until `reached()`; it is asked again after every change of `name`."""
        while not reached():
            if self._end is not None:
                raise self._end
            waiter = asyncio.get_running_loop().create_future()
            waiters = self._waiters.setdefault(name, set())
            waiters.add(waiter)
            try:
                await waiter
            finally:
                waiters.discard(waiter)
                if not waiters and self._waiters.get(name) is waiters:
                    del self._waiters[name]
