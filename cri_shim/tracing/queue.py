"""The ended spans that wait for a thread that sends them. Pure but for the thread.

The queue is bounded: spans that end while it is full are dropped and counted. The event loop never
waits for the thread, also not at the end for longer than it says.
"""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

MOST_WAITING = 4096  # spans; the start of a pod has some 40
BATCH = 512  # spans in one message
EVERY_S = 2.0
STOP_S = 3.0  # for the last spans, when the daemon stops

EXPORTED, FAILED, DROPPED = "exported", "failed", "dropped"
RESULTS = (EXPORTED, FAILED, DROPPED)


class SpanQueue(SpanProcessor):
    """`send` gets batches in the thread and says whether they were taken; it does not raise."""

    def __init__(self, send: Callable[[Sequence[ReadableSpan]], bool]) -> None:
        self._send = send
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        """Start the thread. It is a daemon thread: it does not keep the process alive."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, args=(loop,), name="traces", daemon=True).start()

    def on_end(self, span: ReadableSpan) -> None:
        """Take an ended span; called by the library, on the event loop."""
        if len(self._waiting) >= MOST_WAITING:
            self.counts[DROPPED] += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    async def stop(self) -> None:
        """Send what waits, within STOP_S; then the thread is left alone."""
        self._stopping = True
        self._wake.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), STOP_S)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            while self._waiting and self._send_some():
                pass
        with suppress(RuntimeError):  # the loop has ended, because nothing waits any more
            loop.call_soon_threadsafe(self._ended.set)

    def _send_some(self) -> bool:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        taken = self._send(batch)
        self.counts[EXPORTED if taken else FAILED] += len(batch)
        return taken
