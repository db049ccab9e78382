"""Background tasks: they are kept until they end, and then their errors are logged."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from typing import Any

_log = logging.getLogger(__name__)


class Tasks:
    """Owns the tasks that it has spawned; its owner drains it at the end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run `work` as a task; its error is logged when it ends."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def __iter__(self) -> "Iterator[asyncio.Task[None]]":
        return iter(list(self._running))

    def __len__(self) -> int:
        return len(self._running)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error, exc_info=error)

    async def drain(self, timeout: float = 0) -> None:
        """Give the tasks `timeout` seconds to end, then cancel them and wait for their ends."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=timeout)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
