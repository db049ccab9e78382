"""Work that many sources bring, a little of each at a time, and the event loop between.

A source that always has more to do would otherwise keep the loop from everybody else. Each is a
callable that does a little and says whether more is left. In one iteration of the loop all of them
together get SLICE_S; those that wait longest come first.
"""

import asyncio
from collections import deque
from collections.abc import Callable

SLICE_S = 0.001

Work = Callable[[], bool]


class Rounds:
    """`add` may be called at any time, also by work; a source is in it once at most."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Work] = deque()
        self._until: float | None = None  # the end of this iteration's slice, once it has begun
        self._running = False

    def add(self, work: Work) -> None:
        """Call `work` now, if there is time left, and again in turn while it returns True."""
        self._queue.append(work)
        if not self._running:
            self._run()

    def _run(self) -> None:
        time = self._loop.time
        fresh = self._until is None  # then at least one has its turn
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
        """The next iteration of the loop has come."""
        self._until = None
        if self._queue:
            self._run()
