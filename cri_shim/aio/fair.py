"""Long work on the loop, in slices, so that other tasks run in between.

This is for many small steps, each too short for a thread. A thread that makes one short system call
after another releases the interpreter lock at each; while the loop computes, the thread waits 5 ms
to get it back.
"""

import asyncio
import time

SLICE_S = 0.002


class Yielder:
    """Await `taken()` after each step."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def taken(self) -> None:
        """Let other tasks run if the slice is used up."""
        if time.monotonic() - self._since > SLICE_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()
