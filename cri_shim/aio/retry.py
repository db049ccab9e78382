"""Work that is repeated in the background, with growing pauses and logged errors, until success."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from cri_shim.activity import Operations, Subject
from cri_shim.untrusted import one_line

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
Work = Callable[[], Coroutine[Any, Any, Any]]
RETRY = "retry"  # the verb of such an operation

_log = logging.getLogger(__name__)


class Retrier:
    def __init__(self, operations: Operations | None = None) -> None:
        """With `operations`, each try is one of them."""
        self._operations = operations
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._last_error: dict[str, str] = {}

    def add(self, what: str, work: Work, *, now: bool, subject: Subject | None = None) -> None:
        """Try `work` until it succeeds, at once or after a pause; one task for each `what`.

        `what` is a verb with its object, as in "cannot remove pod default/web". `subject` is the
        object of the operation.
        """
        if what not in self._tasks:
            effort = self._effort(what, work, now, subject or Subject(what))
            self._tasks[what] = asyncio.create_task(effort, name=what)

    async def ensure(self, what: str, work: Work, subject: Subject | None = None) -> None:
        """Run `work` now; if it fails, raise its error and retry it in the background."""
        try:
            await work()
        except Exception:
            self.add(what, work, now=False, subject=subject)
            raise

    def pending(self) -> dict[str, str]:
        """Return the names of the work that is still retried, each with its last error."""
        return {what: self._last_error.get(what, "") for what in self._tasks}

    async def stop(self) -> None:
        """Cancel all work; from its records the next daemon knows what is left to do."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _effort(self, what: str, work: Work, now: bool, subject: Subject) -> None:
        pause = 0.0 if now else FIRST_PAUSE_S
        try:
            while True:
                await asyncio.sleep(pause)
                try:
                    await self._try(work, subject)
                except Exception as e:
                    pause = min(max(FIRST_PAUSE_S, pause * 2), LONGEST_PAUSE_S)
                    self._last_error[what] = one_line(e)
                    _log.warning("cannot %s, next try in %g s: %s", what, pause, e)
                else:
                    return
        finally:
            del self._tasks[what]
            self._last_error.pop(what, None)

    async def _try(self, work: Work, subject: Subject) -> None:
        if self._operations is None:
            await work()
            return
        with self._operations.doing(RETRY, subject):
            await work()
