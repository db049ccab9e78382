"""Divides the event loop's time between many sources of work.

Otherwise a source that always has more work would block the loop for all others. Each source is a
callable that does a little work and returns whether more is left. In one iteration of the loop all
of them together get SLICE_S; the source that has waited longest comes first.
"""

import asyncio
from collections import deque
from collections.abc import Callable

SLICE_S = 0.001

Work = Callable[[], bool]


class Rounds:
    """`add` may be called at any time, also from work; add a source only once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Work] = deque()
        self._until: float | None = None  # the end of this iteration's slice, if it has begun
        self._running = False

    def add(self, work: Work) -> None:
        """Call `work` now, if there is time left, and again in turn while it returns True."""
        self._queue.append(work)
        if not self._running:
            self._run()

    def _run(self) -> None:
        time = self._loop.time
        fresh = self._until is None  # then at least one source runs
        if self._until is None:
            self._until = time() + SLICE_S
            self._loop.call_soon(self._next)
        self._running = True
        try:
            while self._queue and (fresh or time() < self._until):
                fresh = False
                work = self._queue.popleft()
                if work():
                    self._queue.append(work)
        finally:
            self._running = False

    def _next(self) -> None:
        """Begin the slice of the next iteration of the loop."""
        self._until = None
        if self._queue:
            self._run()
