"""The signals that ask this program to end, one after the other."""

import asyncio
import signal
from types import TracebackType
from typing import Self

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """`async with`: the signals do not end this program meanwhile; `next` returns each of them."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self.first: signal.Signals | None = None
        self.last: signal.Signals = signal.SIGINT

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in _ASKING:
            loop.add_signal_handler(number, self._receive, number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in _ASKING:
            loop.remove_signal_handler(number)

    def _receive(self, number: signal.Signals) -> None:
        self.first, self.last = self.first or number, number
        self._received.put_nowait(number)

    async def next(self) -> signal.Signals:
        return await self._received.get()

    async def or_done(self, work: "asyncio.Task[object]", timeout: float | None) -> bool:
        """Wait for the work, a signal or the time; return whether a signal came first."""
        signalled = asyncio.create_task(self.next())
        try:
            await asyncio.wait(
                [work, signalled], timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            return signalled.done() and not work.done()
        finally:
            signalled.cancel()
            await asyncio.gather(signalled, return_exceptions=True)
