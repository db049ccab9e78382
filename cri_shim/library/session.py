"""Talking to a command in a container, or to the container's own program.

    async with container.talk(["sh"], stdin=True) as session:
        await session.write(b"echo hello\\n")
        await session.end_input()
        async for stream, data in session:        # ("stdout", b"hello\\n")
            ...
        code = await session.wait()

Leaving the block ends a command with all it started; a container is only detached from.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

from cri_shim.containers.interactive import InteractiveSession, OutputHandler
from cri_shim.errors import WrongState
from cri_shim.oci.exec import ExecResult

AHEAD = 1 << 20  # bytes of output kept for who reads slowly; then a command has to wait
INPUT = 1 << 20  # bytes of input that wait to be read before `write` waits, too

_NAMES = {1: "stdout", 2: "stderr"}


class Session:
    """Begins with `async with`. One task reads it; others may write."""

    def __init__(self, begin: Callable[[OutputHandler], Awaitable[InteractiveSession]]) -> None:
        self._begin = begin
        self._talk: InteractiveSession | None = None
        self._output: deque[tuple[str, bytes]] = deque()
        self._kept = 0
        self._paused = False
        self._news = asyncio.Event()
        self._drained = asyncio.Event()
        self._over: asyncio.Task[int | None] | None = None

    async def __aenter__(self) -> Self:
        handler = OutputHandler(self._take, self._drained.set, lambda: self._kept)
        self._talk = await self._begin(handler)
        if self._paused:
            self._talk.pause()
        self._over = asyncio.create_task(self._talk.wait(), name="session")
        self._over.add_done_callback(lambda _: self._wake())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Detach from the container, or end the command. Idempotent."""
        if self._talk is None or self._over is None:
            return
        talk, self._talk = self._talk, None
        try:
            await talk.close()
        finally:
            self._over.cancel()
            await asyncio.gather(self._over, return_exceptions=True)
            self._wake()

    # -- input --------------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        """Input; returns when most of what was given has been read. WrongState after the end."""
        talk = self._open()
        self._drained.clear()
        if talk.feed(data) > INPUT:
            waiting = asyncio.create_task(self._drained.wait(), name="input is read")
            try:
                assert self._over is not None
                await asyncio.wait({waiting, self._over}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()

    async def end_input(self) -> None:
        """No more input: end of file, or ^D at a terminal."""
        self._open().feed_end()

    def resize(self, width: int, height: int) -> None:
        """The terminal's new size in characters; without a terminal it means nothing."""
        self._open().resize(width, height)

    # -- output -------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        """("stdout" or "stderr", bytes) until the end; a terminal has stdout alone.

        Raises what ended it, if that was an error.
        """
        while True:
            while self._output:
                name, data = self._output.popleft()
                self._kept -= len(data)
                if self._paused and self._kept <= AHEAD // 2 and self._talk is not None:
                    self._paused = False
                    self._talk.resume()
                yield name, data
            if self._talk is None:
                return  # closed
            assert self._over is not None
            if self._over.done():
                if self._output:
                    continue
                self._over.result()
                return
            self._news.clear()
            await self._news.wait()

    async def wait(self) -> int | None:
        """The exit code of a command, 0..255, or 128 + signal; None of a container's own program.

        Output that nobody reads holds a command up: read it first, or do not ask for it. WrongState
        if the session is closed meanwhile.
        """
        if self._over is None:
            raise WrongState("the session has not begun: use `async with`")
        await asyncio.wait({self._over})
        if self._over.cancelled():  # by `close`, not this caller
            raise WrongState("the session was closed")
        return self._over.result()

    async def communicate(self, data: bytes = b"") -> ExecResult:
        """Give `data` as input, then its end; everything that is said until the end."""
        said: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        await asyncio.gather(self._give(data), self._collect(said))
        code = await self.wait()
        return ExecResult(b"".join(said["stdout"]), b"".join(said["stderr"]), code or 0)

    async def _give(self, data: bytes) -> None:
        await self.write(data)
        await self.end_input()

    async def _collect(self, said: dict[str, list[bytes]]) -> None:
        async for name, data in self:
            said[name].append(data)

    def _open(self) -> InteractiveSession:
        if self._talk is None:
            raise WrongState("the session is not open: use `async with`")
        return self._talk

    def _take(self, stream: int, data: bytes) -> None:
        self._output.append((_NAMES[stream], bytes(data)))
        self._kept += len(data)
        if self._kept > AHEAD and not self._paused:
            self._paused = True
            if self._talk is not None:
                self._talk.pause()
        self._news.set()

    def _wake(self) -> None:
        self._news.set()
        self._drained.set()
