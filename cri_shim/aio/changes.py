"""Waits for a change of a named object."""

import asyncio
from collections.abc import Callable


class Changes:
    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._end: Exception | None = None

    def wake(self, name: str) -> None:
        """Wake the waiters of `name`, which has changed; they check it again."""
        for waiter in self._waiters.get(name, ()):
            if not waiter.done():
                waiter.set_result(None)

    def end(self, error: Exception) -> None:
        """Fail all current and future waiters with `error`."""
        self._end = error
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(error)

    async def until(self, name: str, reached: Callable[[], bool]) -> None:
        """Wait until `reached()`; it is called again after every change of `name`."""
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
