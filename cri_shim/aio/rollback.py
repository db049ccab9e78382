"""Undo what was done, in reverse order, if the block fails or is cancelled.

    async with Rollback("run pod 4f…") as rollback:
        rollback.push("network", lambda: network.detach(pod))   # before the step, not after it
        await network.attach(pod)
        ...
        rollback.disarm()

Push an undo *before* a step that can half-fail; undos are idempotent for that reason. Every undo
runs even if another one fails, shielded from cancellation; failures are logged and their steps
named in `failed`, and the original error goes on.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from cri_shim.aio.offload import finish

Undo = Callable[[], Awaitable[Any] | Any]
_log = logging.getLogger(__name__)


class Rollback:
    def __init__(self, what: str) -> None:
        self._what = what
        self._undos: list[tuple[str, Undo]] = []
        self.failed: list[str] = []

    def push(self, step: str, undo: Undo) -> None:
        """Have `undo` (a function or coroutine function without arguments) run on failure."""
        self._undos.append((step, undo))

    def disarm(self) -> None:
        """All is well: nothing is to be undone."""
        self._undos.clear()

    async def __aenter__(self) -> "Rollback":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if error is not None and self._undos:
            await finish(self._run())

    async def _run(self) -> None:
        while self._undos:
            step, undo = self._undos.pop()
            try:
                result = undo()
                if inspect.isawaitable(result):
                    await result
            except (Exception, asyncio.CancelledError) as e:
                self.failed.append(step)
                _log.error("%s: undoing %s failed: %s", self._what, step, e)
