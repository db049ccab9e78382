"""Input and output of a command in a container, or of the container's own program.

    async with container.open_exec(["sh"], stdin=True) as session:
        await session.write(b"echo hello\\n")
        await session.end_input()
        async for stream, data in session:        # ("stdout", b"hello\\n")
            ...
        code = await session.wait()

Leaving the block ends a command with all it started. An attached container keeps running.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

from cri_shim.containers.interactive import InteractiveSession
from cri_shim.errors import WrongState
from cri_shim.oci.command import OutputHandler
from cri_shim.oci.exec import ExecResult
from cri_shim.wire.remotecommand import Stream

AHEAD = 1 << 20  # bytes of output buffered for a slow reader; then the command must wait
INPUT = 1 << 20  # bytes of unread input after which `write` waits


class Session:
    """`async with` begins the session. One task may read it; other tasks may write."""

    def __init__(self, begin: Callable[[OutputHandler], Awaitable[InteractiveSession]]) -> None:
        self._begin = begin
        self._session: InteractiveSession | None = None
        self._output: deque[tuple[str, bytes]] = deque()
        self._buffered = 0
        self._paused = False
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._end: asyncio.Task[int | None] | None = None

    async def __aenter__(self) -> Self:
        handler = OutputHandler(self._receive, self._drained.set, lambda: self._buffered)
        self._session = await self._begin(handler)
        if self._paused:
            self._session.pause()
        self._end = asyncio.create_task(self._session.wait(), name="session")
        self._end.add_done_callback(lambda _: self._wake())
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
        if self._session is None or self._end is None:
            return
        session, self._session = self._session, None
        try:
            await session.close()
        finally:
            self._end.cancel()
            await asyncio.gather(self._end, return_exceptions=True)
            self._wake()

    # -- input --------------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        """Send input; return when most of it has been read. WrongState after the end."""
        session = self._open()
        self._drained.clear()
        if session.feed(data) > INPUT:
            waiting = asyncio.create_task(self._drained.wait(), name="input is read")
            try:
                assert self._end is not None
                await asyncio.wait({waiting, self._end}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()

    async def end_input(self) -> None:
        """End the input: end of file, or ^D at a terminal."""
        self._open().feed_end()

    def resize(self, width: int, height: int) -> None:
        """Set the terminal's size in characters; without a terminal it is ignored."""
        self._open().resize(width, height)

    # -- output -------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yield ("stdout" or "stderr", bytes) until the end; a terminal has only stdout.

        Raises the error that ended the session, if there was one.
        """
        while True:
            while self._output:
                name, data = self._output.popleft()
                self._buffered -= len(data)
                if self._paused and self._buffered <= AHEAD // 2 and self._session is not None:
                    self._paused = False
                    self._session.resume()
                yield name, data
            if self._session is None:
                return  # closed
            assert self._end is not None
            if self._end.done():
                if self._output:
                    continue
                self._end.result()
                return
            self._changed.clear()
            await self._changed.wait()

    async def wait(self) -> int | None:
        """Wait for the end; return the exit code, 0..255, or 128 + signal; None for an attach.

        Unread output blocks a command: read the output first, or do not request it. WrongState if
        the session is closed meanwhile.
        """
        if self._end is None:
            raise WrongState("the session has not begun: use `async with`")
        await asyncio.wait({self._end})
        if self._end.cancelled():  # by `close`, not by this caller
            raise WrongState("the session was closed")
        return self._end.result()

    async def communicate(self, data: bytes = b"") -> ExecResult:
        """Send `data` and the end of the input; return all output and the exit code."""
        output: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        await asyncio.gather(self._send(data), self._collect(output))
        code = await self.wait()
        return ExecResult(b"".join(output["stdout"]), b"".join(output["stderr"]), code or 0)

    async def _send(self, data: bytes) -> None:
        await self.write(data)
        await self.end_input()

    async def _collect(self, output: dict[str, list[bytes]]) -> None:
        async for name, data in self:
            output[name].append(data)

    def _open(self) -> InteractiveSession:
        if self._session is None:
            raise WrongState("the session is not open: use `async with`")
        return self._session

    def _receive(self, stream: int, data: bytes) -> None:
        self._output.append((Stream(stream).label, bytes(data)))
        self._buffered += len(data)
        if self._buffered > AHEAD and not self._paused:
            self._paused = True
            if self._session is not None:
                self._session.pause()
        self._changed.set()

    def _wake(self) -> None:
        self._changed.set()
        self._drained.set()
