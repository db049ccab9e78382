"""Work that is repeated in the background, with growing pauses and logged errors, until success."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from cri_shim.activity import Operations, Subject
from cri_shim.untrusted import one_line

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
Work = Callable[[], Coroutine[Any, Any, Any]]
RETRY = "retry"  # the verb of such an operation

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Effort:
    """Work that is tried until it succeeds.

    `since`: seconds since the epoch. `next_at`: when the next try begins, on the monotonic clock; 0
    while one runs. `error` is that of the last try, "" before the end of the first.
    """

    what: str
    subject: Subject
    since: float = field(default_factory=time.time)
    next_at: float = 0.0
    tries: int = 0
    error: str = ""

    @property
    def next(self) -> str:
        """Return what comes next: `next try in 12 s: REASON`, `is being tried`."""
        if not self.next_at:
            again = f", try {self.tries}: {self.error}" if self.error else ""
            return f"is being tried{again}"
        wait = max(0.0, self.next_at - time.monotonic())
        return f"next try in {wait:.0f} s" + (f": {self.error}" if self.error else "")


class Retrier:
    def __init__(self, operations: Operations | None = None) -> None:
        """With `operations`, each try is one of them."""
        self._operations = operations
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._efforts: dict[str, Effort] = {}

    def add(self, what: str, work: Work, *, now: bool, subject: Subject | None = None) -> None:
        """Try `work` until it succeeds, at once or after a pause; one task for each `what`.

        `what` is a verb with its object, as in "cannot remove pod default/web". `subject` is the
        object of the operation.
        """
        self._add(Effort(what, subject or Subject(what)), work, now=now)

    def _add(self, effort: Effort, work: Work, *, now: bool) -> None:
        if effort.what not in self._tasks:
            pause = 0.0 if now else FIRST_PAUSE_S
            effort.next_at = time.monotonic() + pause
            self._efforts[effort.what] = effort
            trying = self._try_until_success(effort, work, pause)
            self._tasks[effort.what] = asyncio.create_task(trying, name=effort.what)

    async def ensure(self, what: str, work: Work, subject: Subject | None = None) -> None:
        """Run `work` now; if it fails, raise its error and retry it in the background."""
        try:
            await work()
        except Exception as e:
            first = Effort(what, subject or Subject(what), tries=1, error=one_line(e))
            self._add(first, work, now=False)
            raise

    def pending(self) -> dict[str, str]:
        """Return the names of the work that is still retried, each with its last error."""
        return {what: effort.error for what, effort in self._efforts.items()}

    def efforts(self) -> list[Effort]:
        """Return the same work, with its objects."""
        return list(self._efforts.values())

    async def settled(self, limit: float) -> bool:
        """Wait at most `limit` seconds until no work is left; return whether none is."""
        deadline = time.monotonic() + limit
        while self._tasks and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(list(self._tasks.values()), timeout=left)
        return not self._tasks

    async def stop(self) -> None:
        """Cancel all work; from its records the next daemon knows what is left to do."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _try_until_success(self, effort: Effort, work: Work, pause: float) -> None:
        try:
            while True:
                effort.next_at = time.monotonic() + pause
                await asyncio.sleep(pause)
                effort.next_at, effort.tries = 0.0, effort.tries + 1
                try:
                    await self._try(work, effort.subject)
                except Exception as e:
                    pause = min(max(FIRST_PAUSE_S, pause * 2), LONGEST_PAUSE_S)
                    effort.error = one_line(e)
                    _log.warning("cannot %s, next try in %g s: %s", effort.what, pause, e)
                else:
                    return
        finally:
            del self._tasks[effort.what]
            del self._efforts[effort.what]

    async def _try(self, work: Work, subject: Subject) -> None:
        if self._operations is None:
            await work()
            return
        with self._operations.doing(RETRY, subject):
            await work()
