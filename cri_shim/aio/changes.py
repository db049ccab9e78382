"""Waiting for a change of something that has a name."""

import asyncio
from collections.abc import Callable


class Changes:
    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}

    def wake(self, name: str) -> None:
        """`name` has changed: whoever waits for it looks again."""
        for waiter in self._waiters.get(name, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, name: str, reached: Callable[[], bool]) -> None:
        """Wait until `reached()`; it is asked again after every change of `name`."""
        while not reached():
            waiter = asyncio.get_running_loop().create_future()
            waiters = self._waiters.setdefault(name, set())
            waiters.add(waiter)
            try:
                await waiter
            finally:
                waiters.discard(waiter)
                if not waiters and self._waiters.get(name) is waiters:
                    del self._waiters[name]
