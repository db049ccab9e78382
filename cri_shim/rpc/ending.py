"""The end of calls that wait: the server stops, and what they wait for may take days."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from cri_shim.errors import Unavailable

T = TypeVar("T")


class Ending:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def begin(self) -> None:
        """End every wait now."""
        self._event.set()

    @property
    def begun(self) -> bool:
        return self._event.is_set()

    async def or_result(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`; Unavailable if the server stops before."""
        task, end = asyncio.create_task(work), asyncio.create_task(self._event.wait())
        try:
            await asyncio.wait([task, end], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Unavailable("the daemon is stopping; ask again when it has started")
            return task.result()
        finally:
            for one in (task, end):
                one.cancel()
            await asyncio.gather(task, end, return_exceptions=True)
