"""Long work on the loop, in slices: others get their turn in between.

For work of many small steps that each are too short for a thread. A thread that makes one short
system call after another gives up the interpreter at each, and while the loop computes it waits
5 ms to get it back.
"""

import asyncio
import time

SLICE_S = 0.002


class Yielder:
    """`await turns.taken()` after each step."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def taken(self) -> None:
        """Let others run when the slice is used up."""
        if time.monotonic() - self._since > SLICE_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()
