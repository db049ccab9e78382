"""Writes records from memory to the store at once, or with retries while the disk is full.

Intents are written at once or not at all. An *observed* fact (an exit) or a removal is true even if
the disk is full: the write is retried until it succeeds.
"""

import asyncio
import logging
from collections.abc import Callable

from cri_shim.errors import Unavailable
from cri_shim.state.store import Store

RETRY_S = 5.0  # between attempts on a full disk

_log = logging.getLogger(__name__)


class Saver:
    def __init__(self, store: Store, current: Callable[[str, str], bytes | None]) -> None:
        """`current(kind, id)` returns the record in memory; None: the store must not have it."""
        self._store = store
        self._current = current
        self._unsaved: dict[tuple[str, str], asyncio.Task[None]] = {}

    def save(self, *keys: tuple[str, str]) -> None:
        """Write or delete each (kind, id) as memory has it, now or, on a full disk, later.

        All of them are written in one batch now, or one by one later.
        """
        for key in keys:
            if (task := self._unsaved.pop(key, None)) is not None:
                task.cancel()
        if not self._try(*keys):
            for kind, id in keys:
                self._unsaved[kind, id] = asyncio.create_task(
                    self._retry(kind, id), name=f"save {kind} {id}"
                )

    def unsaved(self) -> dict[str, str]:
        """Return the records that are not saved yet, with the reason."""
        problem = "the state could not be written; is the disk full?"
        return {task.get_name(): problem for task in self._unsaved.values()}

    async def close(self) -> None:
        """Stop the retries, after one last attempt for each record."""
        for (kind, id), task in self._unsaved.items():
            task.cancel()
            self._try((kind, id))
        self._unsaved.clear()

    def _try(self, *keys: tuple[str, str], again: bool = False) -> bool:
        try:
            self._store.write([(kind, id, self._current(kind, id)) for kind, id in keys])
        except Unavailable as e:
            if not again:
                named = ", ".join(f"{kind} {id}" for kind, id in keys)
                _log.error("%s: %s; keeping it in memory", named, e)
            return False
        return True

    async def _retry(self, kind: str, id: str) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            if self._try((kind, id), again=True):
                self._unsaved.pop((kind, id), None)
                return
